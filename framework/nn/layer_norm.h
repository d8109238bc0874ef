// A layer norm's parameters.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "framework/ops/norm.h"

namespace peryton {

struct LayerNorm {
  ParameterPtr weight;  // [width]
  ParameterPtr bias;    // [width], or null
  double eps = 1e-5;

  Variable operator()(Tape& tape, const Variable& x) const {
    const Variable shift = bias ? tape.parameter(*bias) : Variable();
    return layer_norm(tape, x, tape.parameter(*weight), shift, eps);
  }
  // Of hidden + branch.
  JoinedNorm join(Tape& tape, const Variable& hidden, const Variable& branch) const {
    const Variable shift = bias ? tape.parameter(*bias) : Variable();
    return add_layer_norm(tape, hidden, branch, tape.parameter(*weight), shift, eps);
  }
};

}  // namespace peryton
