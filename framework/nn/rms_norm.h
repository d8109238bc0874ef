// A root-mean-square norm's parameter.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "framework/ops/norm.h"

namespace peryton {

struct RmsNorm {
  ParameterPtr weight;  // [width]
  double eps = 1e-6;

  Variable operator()(Tape& tape, const Variable& x) const {
    return rms_norm(tape, x, tape.parameter(*weight), Variable(), eps);
  }
  // Of hidden + branch.
  JoinedNorm join(Tape& tape, const Variable& hidden, const Variable& branch) const {
    return add_rms_norm(tape, hidden, branch, tape.parameter(*weight), Variable(), eps);
  }
};

}  // namespace peryton
