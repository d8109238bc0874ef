// Gradients with the same bits for every number of data-parallel ranks (`reduction: invariant`).
//
// Each micro-batch of the global batch is a leaf; leaves are added by one fixed binary tree over
// their global index. A rank holds a contiguous 2^j of them and adds its sub-tree itself; the
// all-reduce of the ranks, which adds neighbours at distance 1, 2, 4, ..., is the rest of the tree.
// So any power of two of ranks that divides the number of leaves, a power of two too, gives the
// same sum. Micro-batches must have the same shape everywhere. Costs log2(leaves per rank) buffers
// of the arena's size, and sends only after the last backward.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "framework/comm/communicator.h"
#include "framework/optim/arena.h"

namespace peryton {

class InvariantReducer {
 public:
  // Numbers that are not powers of two: fail_input. Arena and ranks must outlive the reducer.
  InvariantReducer(TrainableArena& arena, Communicator& ranks, std::int64_t leaves_per_rank);

  // The gradient buffer holds the gradient of this rank's next leaf alone (zeroed before by the
  // optimiser or by the call before this one).
  void leaf_done();
  // After the last leaf: the gradient buffer becomes the sum over all leaves of all ranks.
  void finish();

 private:
  TrainableArena& arena_;
  Communicator& ranks_;
  std::int64_t leaves_per_rank_;
  std::int64_t leaves_done_ = 0;
  std::vector<Tensor>
      partials_;  // per level: the sum of 2^level leaves, where bit `level` of leaves_done_ is set
};

}  // namespace peryton
