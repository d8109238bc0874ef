// SPDX-License-Identifier: Apache-2.0
#include "framework/parallel/gradient_buckets.h"

#include <algorithm>
#include <chrono>

namespace peryton {
namespace {

double now() {
  const auto time = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(time).count();
}

}  // namespace

GradientReducer::GradientReducer(TrainableArena& arena, Communicator& ranks,
                                 const BucketOptions& options)
    : arena_(arena), ranks_(ranks), options_(options) {
  const std::int64_t elements = arena.elements();
  PERYTON_CHECK(ranks.max(elements) == elements && ranks.max(-elements) == -elements,
                "the ranks have arenas of different sizes");
  const std::int64_t enough =
      std::max<std::int64_t>(1, options.bucket_bytes / size_of(arena.dtype()));
  bool open = false;
  for (const ArenaSlot& slot : arena.slots()) {
    if (!open) {
      buckets_.push_back({slot.range.begin, slot.range.end});
      slots_in_bucket_.push_back(0);
    }
    buckets_.back().end = slot.range.end;
    ++slots_in_bucket_.back();
    bucket_of_slot_.push_back(static_cast<int>(buckets_.size()) - 1);
    open = buckets_.back().size() < enough;
  }
  pending_.reserve(buckets_.size());
  slot_ready_.assign(arena.slots().size(), false);
}

void GradientReducer::begin(bool reduce) {
  PERYTON_CHECK(pending_.empty(), "finish() must come before the next step");
  reducing_ = reduce;
  std::fill(slot_ready_.begin(), slot_ready_.end(), false);
  missing_ = slots_in_bucket_;
  events_.clear();
  begin_seconds_ = now();
  note(BucketEvent::Kind::kBackwardBegan, -1);
}

void GradientReducer::ready(Parameter& parameter) {
  if (!reducing_) return;
  const int slot = arena_.slot_of(parameter);
  PERYTON_CHECK(slot >= 0, "{} is ready but has no slot in the arena", parameter.name);
  PERYTON_CHECK(!slot_ready_[static_cast<std::size_t>(slot)],
                "{} is ready twice in one step: its bucket may have been sent already",
                parameter.name);
  slot_ready_[static_cast<std::size_t>(slot)] = true;
  --missing_[static_cast<std::size_t>(bucket_of_slot_[static_cast<std::size_t>(slot)])];
  note(BucketEvent::Kind::kParameterReady, slot);
  start_ready_buckets();
  progress();
}

void GradientReducer::start_ready_buckets() {
  while (pending_.size() < buckets_.size() && missing_[pending_.size()] == 0) start_bucket();
}

void GradientReducer::start_bucket() {
  const ArenaRange range = buckets_[pending_.size()];
  note(BucketEvent::Kind::kBucketStarted, static_cast<int>(pending_.size()));
  pending_.push_back(ranks_.start_all_reduce(arena_.gradients().slice(0, range.begin, range.end)));
}

void GradientReducer::backward_ended() { note(BucketEvent::Kind::kBackwardEnded, -1); }

void GradientReducer::finish() {
  PERYTON_CHECK(reducing_, "finish() without begin(true)");
  while (pending_.size() < buckets_.size()) start_bucket();
  for (Pending& bucket : pending_) bucket.wait();
  pending_.clear();
  reducing_ = false;
  if (options_.average && ranks_.size() > 1) scale_gradients(1.0 / ranks_.size());
  note(BucketEvent::Kind::kFinished, -1);
}

void GradientReducer::scale_gradients(double factor) const {
  dispatch_float(arena_.dtype(), "average gradients", [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (T& value : arena_.gradients().values<T>()) {
      value = static_cast<T>(static_cast<compute_t<T>>(value * static_cast<T>(factor)));
    }
  });
}

void GradientReducer::note(BucketEvent::Kind kind, int index) {
  if (options_.trace) events_.push_back({kind, index, now() - begin_seconds_});
}

}  // namespace peryton
