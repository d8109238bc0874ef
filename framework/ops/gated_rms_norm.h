// RMS norm of a gated value, per group; see kernels/gated_rms_norm/gated_rms_norm.h for the
// formula.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "framework/autograd/tape.h"

namespace peryton {

struct GatedRmsNormOptions {
  std::int64_t groups = 1;  // divides the width
  double eps = 1e-5;
  bool norm_before_gate = false;
};

// y, z [.., width], rows may be strided; weight [width]. Result [.., width], contiguous, in y's
// dtype. Arithmetic is in float (double for double). Saves y, z (views), weight and one number per
// row and group; computes no gradient for a frozen weight.
Variable gated_rms_norm(Tape& tape, const Variable& y, const Variable& z, const Variable& weight,
                        const GatedRmsNormOptions& options);

}  // namespace peryton
