// A ternary weight matrix in memory: T in two bits per weight and one scale (layout and formulas in
// kernels/ternary_pack/ternary_pack.h).
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "framework/core/tensor.h"
#include "kernels/common/context.h"
#include "kernels/ternary_pack/ternary_pack.h"

namespace peryton {

using kernels::TernaryScaleMode;
using kernels::TernaryShape;

// W~ = beta T, T [rows, columns]. The scale is kept, never worked out again from W~: its mean is
// beta times the share of non-zeros.
struct TernaryMatrix {
  TernaryShape shape = {};
  float beta = 0;
  Tensor packed;  // uint8 [shape.bytes()], T8x256
};
using TernaryPtr = std::shared_ptr<const TernaryMatrix>;

// Quantises a weight [rows, columns] (float32, bfloat16; float64 is rounded to float32 first). A
// weight that is not finite gives beta = NaN.
TernaryPtr ternary_from_weight(const kernels::Context& context, const Tensor& weight,
                               TernaryScaleMode mode = TernaryScaleMode::kFloat32);

// From codes T + 1 as uint8 [rows, columns], for published packed weights (hf_ternary.h). A code
// above 2 is the user's error at `where`.
TernaryPtr ternary_from_codes(const Tensor& codes, float beta, const std::string& where);

// T + 1 as uint8 [rows, columns].
Tensor ternary_codes(const TernaryMatrix& matrix);

// W~ as a dense tensor of float32, bfloat16 or float64.
Tensor ternary_dense(const TernaryMatrix& matrix, DType dtype);

}  // namespace peryton
