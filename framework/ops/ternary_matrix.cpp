// SPDX-License-Identifier: Apache-2.0
#include "framework/ops/ternary_matrix.h"

#include <vector>

namespace peryton {
namespace {

TernaryMatrix allocate(const TernaryShape& shape) {
  return {shape, 0, Tensor::empty(DType::kUInt8, {shape.bytes()})};
}

template <class T>
TernaryMatrix quantise(const kernels::Context& context, const Tensor& weight,
                       TernaryScaleMode mode) {
  TernaryMatrix matrix = allocate({weight.size(0), weight.size(1)});
  const kernels::TernarySource<T> source{weight.data<T>(), matrix.shape, weight.stride(0)};
  std::vector<std::int64_t> partial(static_cast<std::size_t>(matrix.shape.row_tiles()));
  const std::int64_t sum = kernels::cpu::ternary_absolute_sum(source, partial.data(), context);
  const auto scale = kernels::ternary_scale(sum, matrix.shape.rows * matrix.shape.columns, mode);
  kernels::cpu::ternary_quantise(matrix.packed.data<std::uint8_t>(), source, scale, context);
  matrix.beta = scale.beta;
  return matrix;
}

}  // namespace

TernaryPtr ternary_from_weight(const kernels::Context& context, const Tensor& weight,
                               TernaryScaleMode mode) {
  PERYTON_CHECK(weight.rank() == 2, "ternary weight {}", weight.shape().text());
  if (weight.dtype() == DType::kBFloat16) {
    return std::make_shared<TernaryMatrix>(quantise<BFloat16>(context, weight, mode));
  }
  return std::make_shared<TernaryMatrix>(
      quantise<float>(context, weight.to(DType::kFloat32), mode));
}

TernaryPtr ternary_from_codes(const Tensor& codes, float beta, const std::string& where) {
  PERYTON_CHECK(codes.rank() == 2 && codes.dtype() == DType::kUInt8);
  std::vector<std::int8_t> values;
  values.reserve(static_cast<std::size_t>(codes.elements()));
  for (const std::uint8_t code : codes.values<std::uint8_t>()) {
    if (code > 2) {
      fail_input(fmt::format("ternary code {} at row {}", code,
                             static_cast<std::int64_t>(values.size()) / codes.size(1)),
                 where, "codes are 0, 1 and 2; the file is damaged or packed another way");
    }
    values.push_back(static_cast<std::int8_t>(code - 1));
  }
  auto matrix = std::make_shared<TernaryMatrix>(allocate({codes.size(0), codes.size(1)}));
  kernels::cpu::ternary_pack(matrix->packed.data<std::uint8_t>(), values.data(), matrix->shape);
  matrix->beta = beta;
  return matrix;
}

Tensor ternary_codes(const TernaryMatrix& matrix) {
  const Tensor codes = Tensor::empty(DType::kUInt8, {matrix.shape.rows, matrix.shape.columns});
  auto* values = reinterpret_cast<std::int8_t*>(codes.data<std::uint8_t>());
  kernels::cpu::ternary_unpack(values, matrix.packed.data<std::uint8_t>(), matrix.shape);
  for (std::uint8_t& code : codes.values<std::uint8_t>()) ++code;
  return codes;
}

Tensor ternary_dense(const TernaryMatrix& matrix, DType dtype) {
  const Shape shape{matrix.shape.rows, matrix.shape.columns};
  const auto expand = [&](auto zero) {
    using T = decltype(zero);
    const Tensor dense = Tensor::empty(DTypeOf<T>::value, shape);
    kernels::cpu::ternary_expand<T>({.output = dense.data<T>(),
                                     .output_stride = matrix.shape.columns,
                                     .packed = matrix.packed.data<std::uint8_t>(),
                                     .shape = matrix.shape,
                                     .row = 0,
                                     .rows = matrix.shape.rows,
                                     .column = 0,
                                     .columns = matrix.shape.columns,
                                     .scale = static_cast<T>(matrix.beta)});
    return dense;
  };
  if (dtype == DType::kFloat64) return expand(double{});
  return expand(float{}).to(dtype);
}

}  // namespace peryton
