// Products with a ternary matrix on plain tensors (kernels/ternary_gemm).
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "framework/ops/bit_linear_rows.h"
#include "framework/ops/ternary_matrix.h"

namespace peryton {

// y = (float(T q) d) beta, y [rows, out] float32 or bfloat16 with any row stride. The same bits on
// every instruction set. A matrix too wide for exact sums (132,104 columns) goes by the reference,
// with one warning.
void ternary_product(const kernels::Context& context, const QuantisedRows& rows,
                     const TernaryMatrix& matrix, const Tensor& y);

// beta T' d_y for the rows of d_y [rows, out] float32: float32 [rows, in].
Tensor transposed_ternary_product(const kernels::Context& context, const Tensor& d_y,
                                  const TernaryMatrix& matrix);

}  // namespace peryton
