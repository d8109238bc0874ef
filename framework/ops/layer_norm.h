// Layer normalisation on the tape; formula in kernels/layer_norm/layer_norm.h.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "framework/autograd/tape.h"

namespace peryton {

// Normalises the last dimension of x [.., width] (rows may be strided); weight [width], bias
// [width] or undefined, both of x's dtype. Saves x and the row statistics [rows] (float, or double
// for double). Gradients of weight and bias are computed only if they need one.
Variable layer_norm(Tape& tape, const Variable& x, const Variable& weight, const Variable& bias,
                    double eps);

}  // namespace peryton
