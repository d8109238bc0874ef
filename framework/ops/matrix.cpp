// SPDX-License-Identifier: Apache-2.0
#include "framework/ops/matrix.h"

#include "kernels/elementwise/elementwise.h"
#include "kernels/gemm/gemm.h"

namespace peryton {
namespace {

void check_shapes(const Tensor& a, const Tensor& b, const Tensor& c, const MatrixProduct& options) {
  PERYTON_CHECK(a.size(options.transpose_a ? 0 : 1) == b.size(options.transpose_b ? 1 : 0) &&
                    c.size(0) == a.size(options.transpose_a ? 1 : 0) &&
                    c.size(1) == b.size(options.transpose_b ? 0 : 1),
                "{} x {} -> {}", a.shape().text(), b.shape().text(), c.shape().text());
}

template <class T, class A, class B>
void product(const kernels::Context& context, const Tensor& a, const Tensor& b, const Tensor& c,
             const MatrixProduct& options) {
  const std::int64_t inner = a.size(options.transpose_a ? 0 : 1);
  const Tensor bias = options.bias.defined() ? options.bias.to(c.dtype()) : Tensor();
  const Tensor workspace = Tensor::empty(
      c.dtype(), {kernels::gemm_workspace<T, A, B>(c.size(0), c.size(1), inner, context.threads)});
  kernels::cpu::gemm<T, A, B>({.transpose_a = options.transpose_a,
                               .transpose_b = options.transpose_b,
                               .m = c.size(0),
                               .n = c.size(1),
                               .k = inner,
                               .alpha = static_cast<T>(options.alpha),
                               .a = a.data<A>(),
                               .lda = a.stride(0),
                               .b = b.data<B>(),
                               .ldb = b.stride(0),
                               .beta = static_cast<T>(options.accumulate ? 1 : 0),
                               .c = c.data<T>(),
                               .ldc = c.stride(0),
                               .bias = bias.defined() ? bias.data<T>() : nullptr,
                               .bf16_dots = context.bf16_dots,
                               .workspace = workspace.data<T>()},
                              context);
}

template <class A>
void float_product(const kernels::Context& context, const Tensor& a, const Tensor& b,
                   const Tensor& c, const MatrixProduct& options) {
  if (b.dtype() == DType::kBFloat16) return product<float, A, BFloat16>(context, a, b, c, options);
  product<float, A, float>(context, a, b.to(DType::kFloat32), c, options);
}

}  // namespace

void matrix_product(const kernels::Context& context, const Tensor& a, const Tensor& b,
                    const Tensor& c, const MatrixProduct& options) {
  check_shapes(a, b, c, options);
  if (c.dtype() == DType::kFloat64) {
    return product<double, double, double>(context, a, b, c, options);
  }
  if (c.dtype() == DType::kBFloat16) {
    PERYTON_CHECK(!options.accumulate, "accumulation into {}", name_of(c.dtype()));
    const Tensor wide_c = Tensor::empty(DType::kFloat32, c.shape());
    matrix_product(context, a, b, wide_c, options);
    return c.copy_from(wide_c);
  }
  if (a.dtype() == DType::kBFloat16) return float_product<BFloat16>(context, a, b, c, options);
  float_product<float>(context, a.to(DType::kFloat32), b, c, options);
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

}  // namespace peryton
