// Sums the arena's gradients over data-parallel ranks while backward still runs.
//
// Buckets are contiguous ranges of the gradient buffer, which lies in reverse order of execution. A
// bucket is started as soon as all its parameters are ready and all buckets before it have started,
// so every rank starts them in the same order. Use, for each optimiser step:
//   for each micro-batch: reducer.begin(is_last); tape.on_gradient_ready(reducer.listener());
//                         tape.backward(loss); reducer.backward_ended();
//   reducer.finish();
// Only the last micro-batch sends anything. The result is the sum over ranks: scale the loss by 1 /
// (global number of targets) to get the gradient of the mean, or set `average`.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "framework/comm/communicator.h"
#include "framework/optim/arena.h"

namespace peryton {

struct BucketOptions {
  std::int64_t bucket_bytes = std::int64_t{1}
                              << 20;  // a bucket closes when it holds at least so much
  bool average = false;               // divide the sum by the number of ranks
  bool trace = false;                 // keep events()
};

struct BucketEvent {
  enum class Kind { kBackwardBegan, kParameterReady, kBucketStarted, kBackwardEnded, kFinished };
  Kind kind;
  int index;       // of the slot or bucket, else -1
  double seconds;  // since begin()
};

class GradientReducer {
 public:
  // Both must outlive the reducer. Collective: checks that the layout is the same on all ranks.
  GradientReducer(TrainableArena& arena, Communicator& ranks, const BucketOptions& options = {});

  const std::vector<ArenaRange>& buckets() const { return buckets_; }

  void begin(bool reduce);
  std::function<void(Parameter&)> listener() {
    return [this](Parameter& parameter) { ready(parameter); };
  }
  void ready(Parameter& parameter);
  // This step will not touch the parameter (a pruned branch): its slot counts as ready as it is
  // (zero).
  void mark_ready_zero(Parameter& parameter) { ready(parameter); }
  // Advances what is in flight; ready() does it too.
  void progress() { ranks_.progress(); }
  void backward_ended();
  // Starts what never became ready, waits for everything. Gradients are then equal on all ranks.
  void finish();

  // Of the last step, in order; empty unless options.trace.
  const std::vector<BucketEvent>& events() const { return events_; }

 private:
  void start_ready_buckets();
  void start_bucket();  // the next one
  void scale_gradients(double factor) const;
  void note(BucketEvent::Kind kind, int index);

  TrainableArena& arena_;
  Communicator& ranks_;
  BucketOptions options_;
  std::vector<ArenaRange> buckets_;
  std::vector<int> bucket_of_slot_;
  std::vector<int> slots_in_bucket_;
  std::vector<bool> slot_ready_;  // in this backward
  std::vector<int> missing_;      // per bucket: slots not ready yet
  std::vector<Pending> pending_;  // one per started bucket
  bool reducing_ = false;
  std::vector<BucketEvent> events_;
  double begin_seconds_ = 0;
};

}  // namespace peryton
