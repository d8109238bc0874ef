// The floating-point operations of a hybrid, counted along the same ways as hybrid_model.cpp runs.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "framework/hybrid/hybrid_model.h"

namespace peryton {

ForwardFlops HybridModel::segment_flops(Tape& tape, const SegmentAlpha& alpha, std::int64_t segment,
                                        std::int64_t length, bool& gradient) const {
  const auto i = static_cast<std::size_t>(segment);
  const Variable out = output_coefficients(tape, options_.gate, alpha);
  ForwardFlops flops;
  bool leaves = out.needs_gradient();
  for (std::int64_t k = 0; k < static_cast<std::int64_t>(parts_.size()); ++k) {
    if (!takes_part(alpha.here, k)) continue;
    const auto& cuts = boundaries(k);
    const Variable in = input_coefficients(tape, options_.gate, alpha, k);
    bool own = gradient;
    if (projects_input(in)) flops += inputs_[index(segment, k)].flops_per_token(own);
    own = own || in.needs_gradient();
    flops += block_flops_per_token(*parts_[static_cast<std::size_t>(k)].component, cuts[i],
                                   cuts[i + 1], length, own);
    bool projected = own;
    if (projects_output(out, k)) flops += outputs_[index(segment, k)].flops_per_token(projected);
    leaves = leaves || own || projected;
  }
  gradient = leaves;
  return flops;
}

std::vector<Component*> HybridModel::distinct_heads(const Variable& alpha) const {
  std::vector<Component*> heads;
  std::vector<const Parameter*> shared;  // what heads have multiplied h itself with
  for (std::int64_t k = 0; k < static_cast<std::int64_t>(parts_.size()); ++k) {
    if (!takes_part(alpha, k)) continue;
    Component& component = *parts_[static_cast<std::size_t>(k)].component;
    if (component.shape().width == width_ && component.head_only_multiplies()) {
      const Parameter* matrix = &component.head()->holder();
      if (std::ranges::find(shared, matrix) != shared.end()) continue;
      shared.push_back(matrix);
    }
    heads.push_back(&component);
  }
  return heads;
}

std::int64_t HybridModel::head_products() const {
  Tape tape({});
  return static_cast<std::int64_t>(distinct_heads(head_alpha(realise_alpha(tape, -1))).size());
}

ForwardFlops HybridModel::forward_flops_per_token(std::int64_t length) const {
  Tape tape({});  // for alpha alone: records, so that what trains counts whatever its value
  const std::vector<Variable> alpha = realise_alpha(tape, -1);
  bool gradient = alpha.front().needs_gradient();
  for (std::int64_t k = 0; k < static_cast<std::int64_t>(parts_.size()); ++k) {
    gradient = gradient || (takes_part(alpha.front(), k) &&
                            embedding_trains(*parts_[static_cast<std::size_t>(k)].component));
  }
  ForwardFlops flops;
  for (std::int64_t i = 0; i < segments(); ++i) {
    flops += segment_flops(tape, alpha_of_segment(alpha, i), i, length, gradient);
  }
  for (Component* component : distinct_heads(head_alpha(alpha))) {
    bool own = gradient;
    flops.add_product(*component->head(), vocabulary_ * component->shape().width, own);
  }
  return flops;
}

}  // namespace peryton
