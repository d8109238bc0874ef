// y = x W^T + b.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "framework/autograd/tape.h"

namespace peryton {

// x [.., in], weight [out, in], bias [out] or undefined -> [.., out] in x's dtype. bfloat16
// operands are widened to float for the product, accumulation is in float (double for double).
// Saves x only if the weight or bias needs a gradient, and the weight only if x does.
Variable linear(Tape& tape, const Variable& x, const Variable& weight, const Variable& bias = {});

}  // namespace peryton
