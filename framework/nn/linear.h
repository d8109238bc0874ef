// A linear layer's parameters.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "framework/ops/linear.h"

namespace peryton {

struct Linear {
  ParameterPtr weight;  // [out, in]
  ParameterPtr bias;    // [out], or null

  Variable operator()(Tape& tape, const Variable& x) const {
    return linear(tape, x, tape.parameter(*weight), bias ? tape.parameter(*bias) : Variable());
  }
};

}  // namespace peryton
