// A linear layer's parameters.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <initializer_list>

#include "framework/ops/fused_linear.h"
#include "framework/ops/linear.h"

namespace peryton {

struct Linear {
  ParameterPtr weight;  // [out, in], or [in, out] under kInOut
  ParameterPtr bias;    // [out], or null
  WeightLayout layout = WeightLayout::kOutIn;

  LinearTerm term(Tape& tape) const {
    return {tape.parameter(*weight), bias ? tape.parameter(*bias) : Variable()};
  }
  Variable operator()(Tape& tape, const Variable& x) const {
    const LinearTerm own = term(tape);
    if (layout == WeightLayout::kInOut) return fused_linear(tape, x, {own}, layout);
    return linear(tape, x, own.weight, own.bias);
  }
};

// The outputs of several layers, all [out, in], in one tensor.
inline Variable side_by_side(Tape& tape, const Variable& x,
                             std::initializer_list<const Linear*> layers) {
  std::vector<LinearTerm> terms;
  for (const Linear* layer : layers) terms.push_back(layer->term(tape));
  return fused_linear(tape, x, terms);
}

}  // namespace peryton
