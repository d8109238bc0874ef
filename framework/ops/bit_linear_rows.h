// The row side of BitLinear on plain tensors: quantisation, normalisation and its gradients. `x` is
// [.., width] with a common row stride; results have its rows side by side.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "framework/ops/bit_linear.h"

namespace peryton {

struct QuantisedRows {
  Tensor q;       // int8 kept as uint8: [rows, width padded to whole tiles]
  Tensor scales;  // float32 [rows]
  Tensor sums;    // int32 [rows]
};

// `gain` float32 [width] or undefined; `rstd` float32 [rows] receives the row scales if defined.
QuantisedRows quantise_rows(const kernels::Context& context, const Tensor& x, const Tensor& gain,
                            const BitLinearOptions& options, const Tensor& rstd);
// float32 [rows, width].
Tensor dequantised_rows(const kernels::Context& context, const QuantisedRows& rows,
                        std::int64_t width);

// Without quantisation, in the dtype of rstd (or of x, float32 for bfloat16).
void fill_rstd(const kernels::Context& context, const Tensor& x, double eps, const Tensor& rstd);
// x * rstd * gain, each factor where it is defined.
Tensor normalised_rows(const kernels::Context& context, const Tensor& x, const Tensor& gain,
                       const Tensor& rstd);

// sum over rows of d_z * x * rstd.
Tensor gain_gradient(const kernels::Context& context, const Tensor& x, const Tensor& rstd,
                     const Tensor& d_z);
// total + gain * d_z; an undefined total is zero, an undefined gain is ones.
Tensor add_scaled(const kernels::Context& context, const Tensor& total, const Tensor& d_z,
                  const Tensor& gain);
// The gradient of x from that of x * rstd.
Tensor norm_gradient(const kernels::Context& context, const Tensor& x, const Tensor& rstd,
                     const Tensor& d_normal);

}  // namespace peryton
