// Projectors in closed form: every component reads the same text alone; hidden states at the
// segment borders are regressed on each other. The shared space is that of the widest component
// (the first of equals).
//
//   input  of segment i:  shared state -> the component's own state at border i
//   output of segment i:  the component's state at border i + 1 -> shared state
// At border 0 the shared state is the mix of embeddings that the hybrid really has; at the last
// border it is the state from which the mixed heads reproduce the mix of the components' own logits
// best (least squares over the vocabulary). The part that the gate passes around a projector is
// taken off its target.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "framework/comm/communicator.h"
#include "framework/hybrid/hybrid_model.h"
#include "framework/search/ridge.h"

namespace peryton {

class ProjectorFit {
 public:
  // Projectors with two layers are the user's error: they have no closed form.
  ProjectorFit(HybridModel& hybrid, const kernels::Context& context);

  // Runs every component over the batch and adds to the sums.
  void collect(const TokenBatch& batch);
  // Sums over ranks, solves, and sets the hybrid's projectors. Collective.
  void finish(Communicator& ranks, double ridge);

 private:
  std::size_t index(std::int64_t border, std::int64_t k) const {
    return static_cast<std::size_t>(border) * hybrid_.parts().size() + static_cast<std::size_t>(k);
  }
  std::vector<Tensor> hidden_at_borders(const TokenBatch& batch, std::int64_t k) const;
  void set_input(std::int64_t segment, std::int64_t k, double ridge);
  void set_output(std::int64_t segment, std::int64_t k, double ridge);
  void set_last_outputs();

  HybridModel& hybrid_;
  kernels::Context context_;
  std::int64_t widest_ = 0;
  std::vector<RegressionSums> inputs_, outputs_;  // [segment * K + component]
};

}  // namespace peryton
