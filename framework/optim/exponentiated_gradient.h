// Exponentiated gradient for mixture weights that live on the simplex (GAEA, Li et al. 2021):
//   alpha := alpha * exp(clip(-rate * g, -9, 9));  alpha := max(alpha, floor);  alpha := alpha /
//   sum(alpha)
// per row of the last dimension. The floor comes before the division, so that rows sum to one.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "framework/core/tensor.h"

namespace peryton {

inline constexpr double kAlphaFloor = 1e-5;
inline constexpr double kLargestAlphaExponent = 9.0;

// In place on `alpha` [..., K] from `gradient` (same shape, both float32 or both float64) times
// `gradient_scale`.
void exponentiated_gradient(const Tensor& alpha, const Tensor& gradient, double rate,
                            double gradient_scale = 1.0, double floor = kAlphaFloor);

}  // namespace peryton
