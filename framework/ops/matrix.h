// Matrix products, column sums and biases on plain tensors, shared by the ops.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "framework/core/tensor.h"
#include "kernels/common/context.h"

namespace peryton {

struct MatrixProduct {
  bool transpose_a = false;
  bool transpose_b = false;
  double alpha = 1;
  bool accumulate = false;  // add to c instead of overwriting it
  Tensor bias = {};         // [columns of c] or undefined: added to every row
};

// c = alpha op(a) op(b) [+ c] [+ bias]; all 2-D with contiguous last dimension. bfloat16 operands
// are widened to float; c is float or double (or bfloat16 without accumulate).
void matrix_product(const kernels::Context& context, const Tensor& a, const Tensor& b,
                    const Tensor& c, const MatrixProduct& options = {});

// target[c] += sum over rows of source[r, c], in fixed blocks added in a fixed order.
void add_column_sums(const kernels::Context& context, const Tensor& source, const Tensor& target);

// The dtype in which a value of this dtype is computed on: float for float and bfloat16, else
// double.
constexpr DType compute_dtype(DType dtype) {
  return dtype == DType::kFloat64 ? DType::kFloat64 : DType::kFloat32;
}

}  // namespace peryton
