// SPDX-License-Identifier: Apache-2.0
#include "framework/parallel/invariant_reduction.h"

#include <bit>

#include "framework/comm/combine.h"

namespace peryton {

InvariantReducer::InvariantReducer(TrainableArena& arena, Communicator& ranks,
                                   std::int64_t leaves_per_rank)
    : arena_(arena), ranks_(ranks), leaves_per_rank_(leaves_per_rank) {
  const auto power = [](std::int64_t n) {
    return n > 0 && std::has_single_bit(static_cast<std::uint64_t>(n));
  };
  if (!power(ranks.size()) || !power(leaves_per_rank)) {
    fail_input(
        fmt::format(
            "the invariant reduction needs powers of two, got {} data-parallel ranks with {} "
            "micro-batches each",
            ranks.size(), leaves_per_rank),
        "parallel.reduction", "change the number of ranks or the global batch");
  }
  partials_.resize(
      static_cast<std::size_t>(std::countr_zero(static_cast<std::uint64_t>(leaves_per_rank))));
}

void InvariantReducer::leaf_done() {
  PERYTON_CHECK(leaves_done_ < leaves_per_rank_, "more than {} micro-batches", leaves_per_rank_);
  // Counting in binary: every carry adds a finished sub-tree on the left to the one in the buffer.
  const auto carries =
      static_cast<std::size_t>(std::countr_one(static_cast<std::uint64_t>(leaves_done_)));
  const CommSpan sum = CommSpan::of(arena_.gradients());
  for (std::size_t level = 0; level < carries; ++level) {
    combine(sum, partials_[level].raw(), Reduce::kSum, /*target_first=*/false);
  }
  if (++leaves_done_ == leaves_per_rank_) return;
  Tensor& partial = partials_[carries];
  if (!partial.defined()) partial = Tensor::empty(arena_.dtype(), arena_.gradients().shape());
  partial.copy_from(arena_.gradients());
  arena_.zero_gradients();
}

void InvariantReducer::finish() {
  PERYTON_CHECK(leaves_done_ == leaves_per_rank_, "{} of {} micro-batches", leaves_done_,
                leaves_per_rank_);
  leaves_done_ = 0;
  ranks_.all_reduce(arena_.gradients());
}

}  // namespace peryton
