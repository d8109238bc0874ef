// SPDX-License-Identifier: Apache-2.0
#include "framework/ops/matrix.h"

#include "kernels/elementwise/elementwise.h"
#include "kernels/gemm/gemm.h"

namespace peryton {
namespace {

template <class T>
void product(const kernels::Context& context, const Tensor& a, const Tensor& b, const Tensor& c,
             const MatrixProduct& options) {
  const auto inner = a.size(options.transpose_a ? 0 : 1);
  PERYTON_CHECK(inner == b.size(options.transpose_b ? 1 : 0) &&
                    c.size(0) == a.size(options.transpose_a ? 1 : 0) &&
                    c.size(1) == b.size(options.transpose_b ? 0 : 1),
                "{} x {} -> {}", a.shape().text(), b.shape().text(), c.shape().text());
  kernels::cpu::gemm<T>({.transpose_a = options.transpose_a,
                         .transpose_b = options.transpose_b,
                         .m = c.size(0),
                         .n = c.size(1),
                         .k = inner,
                         .alpha = static_cast<T>(options.alpha),
                         .a = a.data<T>(),
                         .lda = a.stride(0),
                         .b = b.data<T>(),
                         .ldb = b.stride(0),
                         .beta = static_cast<T>(options.accumulate ? 1 : 0),
                         .c = c.data<T>(),
                         .ldc = c.stride(0)},
                        context);
}

}  // namespace

void matrix_product(const kernels::Context& context, const Tensor& a, const Tensor& b,
                    const Tensor& c, const MatrixProduct& options) {
  if (c.dtype() == DType::kFloat64) return product<double>(context, a, b, c, options);
  const Tensor wide_a = a.to(DType::kFloat32), wide_b = b.to(DType::kFloat32);
  if (c.dtype() == DType::kFloat32) return product<float>(context, wide_a, wide_b, c, options);
  PERYTON_CHECK(!options.accumulate, "accumulation into {}", name_of(c.dtype()));
  const Tensor wide_c = Tensor::empty(DType::kFloat32, c.shape());
  product<float>(context, wide_a, wide_b, wide_c, options);
  c.copy_from(wide_c);
}

void add_column_sums(const kernels::Context& context, const Tensor& source, const Tensor& target) {
  const Tensor rows = source.rows().to(target.dtype());
  PERYTON_CHECK(target.elements() == rows.size(1));
  dispatch_float(target.dtype(), "add_column_sums", [&](auto tag) {
    using T = typename decltype(tag)::type;
    kernels::cpu::add_column_sums<T>({.source = rows.data<T>(),
                                      .target = target.data<T>(),
                                      .rows = rows.size(0),
                                      .width = rows.size(1),
                                      .source_stride = rows.stride(0)},
                                     context);
  });
}

void add_to_rows(const kernels::Context& context, const Tensor& target, const Tensor& row) {
  const Tensor addend = row.to(target.dtype());
  PERYTON_CHECK(addend.elements() == target.size(1));
  dispatch_float(target.dtype(), "add_to_rows", [&](auto tag) {
    using T = typename decltype(tag)::type;
    kernels::cpu::add_into<T, T>({.target = target.data<T>(),
                                  .source = addend.data<T>(),
                                  .rows = target.size(0),
                                  .width = target.size(1),
                                  .target_stride = target.stride(0),
                                  .source_stride = 0},
                                 context);
  });
}

}  // namespace peryton
