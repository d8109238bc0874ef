// Layer and root-mean-square normalisation on the tape; formulas in kernels/norm/norm.h.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "framework/autograd/tape.h"

namespace peryton {

// They normalise the last dimension of x [.., width] (rows may be strided); weight [width], bias
// [width] or undefined. Saved are x and the row statistics [rows] (float, or double for double).
// Gradients of weight and bias are computed only if they need one.
Variable layer_norm(Tape& tape, const Variable& x, const Variable& weight, const Variable& bias,
                    double eps);
Variable rms_norm(Tape& tape, const Variable& x, const Variable& weight, const Variable& bias,
                  double eps);

// A residual branch joins its stream and the sum is normalised, in one pass over both; backward
// adds what reaches the sum by other ways in the pass that computes the norm's part. The same
// values as add() and a norm of its result.
struct JoinedNorm {
  Variable sum;     // a + b
  Variable normed;  // of the sum
};
JoinedNorm add_layer_norm(Tape& tape, const Variable& a, const Variable& b, const Variable& weight,
                          const Variable& bias, double eps);
JoinedNorm add_rms_norm(Tape& tape, const Variable& a, const Variable& b, const Variable& weight,
                        const Variable& bias, double eps);

}  // namespace peryton
