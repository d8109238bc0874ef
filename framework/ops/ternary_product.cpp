// SPDX-License-Identifier: Apache-2.0
#include "framework/ops/ternary_product.h"

#include "framework/core/warn_once.h"
#include "kernels/ternary_gemm/ternary_gemm.h"

namespace peryton {
namespace {

template <class T>
void product(const kernels::Context& context, const QuantisedRows& rows,
             const TernaryMatrix& matrix, const Tensor& y) {
  kernels::TernaryGemmArgs<T> args{
      .output = y.data<T>(),
      .packed = matrix.packed.data<std::uint8_t>(),
      .shape = matrix.shape,
      .q = reinterpret_cast<const std::int8_t*>(rows.q.data<std::uint8_t>()),
      .sums = rows.sums.data<std::int32_t>(),
      .scales = rows.scales.data<float>(),
      .beta = matrix.beta,
      .tokens = y.size(0),
      .output_stride = y.stride(0),
      .q_stride = rows.q.size(1)};
  if (matrix.shape.columns > kernels::kTernaryMaxColumns) {
    warn_once(
        fmt::format("a ternary product of [{}, {}] is wider than the fast path takes; it runs "
                    "slowly",
                    matrix.shape.rows, matrix.shape.columns));
    return kernels::cpu::reference::ternary_gemm(args, context);
  }
  const std::int64_t bytes = kernels::ternary_gemm_workspace(matrix.shape, args.tokens);
  const Tensor workspace = bytes > 0 ? Tensor::empty(DType::kUInt8, {bytes}) : Tensor();
  args.workspace = workspace.raw();
  kernels::cpu::ternary_gemm(args, context);
}

}  // namespace

void ternary_product(const kernels::Context& context, const QuantisedRows& rows,
                     const TernaryMatrix& matrix, const Tensor& y) {
  if (y.dtype() == DType::kBFloat16) return product<BFloat16>(context, rows, matrix, y);
  product<float>(context, rows, matrix, y);
}

Tensor transposed_ternary_product(const kernels::Context& context, const Tensor& d_y,
                                  const TernaryMatrix& matrix) {
  const Tensor d_x = Tensor::empty(DType::kFloat32, {d_y.size(0), matrix.shape.columns});
  const Tensor workspace = Tensor::empty(
      DType::kFloat32, {kernels::ternary_transposed_workspace(matrix.shape, d_y.size(0), context)});
  kernels::cpu::ternary_transposed_product({.output = d_x.data<float>(),
                                            .d_output = d_y.data<float>(),
                                            .packed = matrix.packed.data<std::uint8_t>(),
                                            .shape = matrix.shape,
                                            .beta = matrix.beta,
                                            .workspace = workspace.data<float>(),
                                            .tokens = d_y.size(0),
                                            .output_stride = d_x.stride(0),
                                            .d_output_stride = d_y.stride(0)},
                                           context);
  return d_x;
}

}  // namespace peryton
