// SPDX-License-Identifier: Apache-2.0
#include "framework/nn/shape_only.h"

#include <algorithm>
#include <array>
#include <limits>

namespace peryton {

Tensor shape_only(DType dtype, const Shape& shape) {
  const bool flat = shape.rank() < 2;
  const Tensor row = Tensor::empty(dtype, flat ? shape : Shape{shape[-1]});
  if (dtype == DType::kUInt8) {
    std::ranges::fill(row.values<std::uint8_t>(), std::uint8_t{0xff});
  } else {
    row.fill(std::numeric_limits<double>::quiet_NaN());
  }
  if (flat) return row;
  std::array<std::int64_t, Shape::kMaxRank> strides{};
  strides[static_cast<std::size_t>(shape.rank() - 1)] = 1;
  return row.view(shape, std::span(strides).first(static_cast<std::size_t>(shape.rank())));
}

bool is_shape_only(const Tensor& tensor) { return tensor.rank() >= 2 && tensor.stride(0) == 0; }

void release_value(Parameter& parameter) {
  if (is_released(parameter)) return;
  parameter.value = shape_only(parameter.value.dtype(), parameter.value.shape());
  ++parameter.version;
}

bool is_released(const Parameter& parameter) { return is_shape_only(parameter.value); }

}  // namespace peryton
