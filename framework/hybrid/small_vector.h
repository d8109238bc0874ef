// Vectors of a few numbers (alpha, gate coefficients) between tensors and doubles.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "framework/core/tensor.h"

namespace peryton {

inline std::vector<double> to_doubles(const Tensor& vector) {
  const Tensor wide = vector.as_contiguous().to(DType::kFloat64);
  const auto values = wide.values<double>();
  return {values.begin(), values.end()};
}

inline Tensor from_doubles(const std::vector<double>& values, DType dtype) {
  return Tensor::from_values<double>({static_cast<std::int64_t>(values.size())}, values).to(dtype);
}

}  // namespace peryton
