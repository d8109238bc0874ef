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
};

}  // namespace peryton
