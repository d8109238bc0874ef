// All trainables in flat buffers: weights, gradients, two moments. Gradient buckets, optimiser
// shards, checkpoints and the fused optimiser are ranges of it.
//
// Parameters come in order of execution and lie in reverse, so that the front of the gradient
// buffer is complete first during backward. Slots start at multiples of kSlotAlignment elements (at
// least 64 bytes in every dtype); the padding between them is zero and stays zero.
//
// The master dtype is float64 if the parameters are float64, else float32. A parameter may compute
// in bfloat16: then its `value` is a slice of a second, bfloat16 buffer, refreshed from the master
// after each step.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "framework/core/named_tensor.h"
#include "framework/core/parameter.h"
#include "kernels/common/context.h"

namespace peryton {

// [begin, end) in elements of the arena.
struct ArenaRange {
  std::int64_t begin = 0, end = 0;
  std::int64_t size() const { return end - begin; }
  friend bool operator==(const ArenaRange&, const ArenaRange&) = default;
};

struct ArenaSlot {
  ParameterPtr parameter;
  ArenaRange range;  // without the padding behind it
};

struct ArenaOptions {
  // dtype in which parameters compute. Unset: the dtype that each value has when the arena is made.
  std::optional<DType> working = std::nullopt;
  // Groups whose `value` always is the master itself.
  std::vector<std::string> full_precision_groups = {"alpha"};
};

class TrainableArena {
 public:
  static constexpr std::int64_t kSlotAlignment = 32;

  // Takes the trainable ones of `in_order_of_execution` (each once, floating dtypes), copies their
  // values in and points value and gradient at its slices. Frozen ones are left alone.
  explicit TrainableArena(const std::vector<ParameterPtr>& in_order_of_execution,
                          const ArenaOptions& options = {});
  ~TrainableArena() { release(); }
  TrainableArena(const TrainableArena&) = delete;
  TrainableArena& operator=(const TrainableArena&) = delete;

  // Copies master values out into plain tensors of the parameters' original dtypes and drops their
  // gradients. The arena is empty afterwards. Called by the destructor.
  void release();

  DType dtype() const { return dtype_; }               // of the master, gradients and moments
  std::int64_t elements() const { return elements_; }  // with padding
  const std::vector<ArenaSlot>& slots() const { return slots_; }
  // The slot's index, or -1 for a parameter without one.
  int slot_of(const Parameter& parameter) const;

  // Flat [elements] tensors.
  const Tensor& weights() const { return weights_; }  // master
  const Tensor& gradients() const { return gradients_; }
  const Tensor& moment1() const { return moment1_; }
  const Tensor& moment2() const { return moment2_; }

  // Slices in the parameter's shape, in slot order, named after the parameters. For checkpoints.
  std::vector<NamedTensor> named_weights() const { return named(weights_); }
  std::vector<NamedTensor> named_moment1() const { return named(moment1_); }
  std::vector<NamedTensor> named_moment2() const { return named(moment2_); }
  Tensor slot_view(const Tensor& flat, int slot) const;

  std::vector<std::string> groups() const;  // in order of first appearance
  std::vector<int> slots_of_group(const std::string& group) const;
  // Part `index` of `count` nearly equal aligned parts of the arena (optimiser shards).
  ArenaRange shard(int index, int count) const;

  void zero_gradients() const;
  // Bfloat16 values := master, and every parameter's version moves on. Call after master weights
  // changed (a step, a loaded checkpoint).
  void refresh_working_copies(const kernels::Context& context) const;

 private:
  void lay_out(const ArenaOptions& options);
  std::vector<NamedTensor> named(const Tensor& flat) const;

  DType dtype_ = DType::kFloat32;
  std::int64_t elements_ = 0;
  std::vector<ArenaSlot> slots_;
  std::vector<DType> original_dtypes_;  // per slot
  std::vector<bool> has_working_copy_;  // per slot
  Tensor weights_, gradients_, moment1_, moment2_, working_;
};

}  // namespace peryton
