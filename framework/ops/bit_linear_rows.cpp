// SPDX-License-Identifier: Apache-2.0
#include "framework/ops/bit_linear_rows.h"

#include <cmath>

#include "framework/ops/matrix.h"
#include "kernels/norm/norm.h"

namespace peryton {
namespace {

// float32 stays, so does float64; bfloat16 is widened.
Tensor wide_rows(const Tensor& x, DType dtype) { return x.rows().to(dtype); }

constexpr std::int64_t kRowsPerTask = 16;

}  // namespace

QuantisedRows quantise_rows(const kernels::Context& context, const Tensor& x, const Tensor& gain,
                            const BitLinearOptions& options, const Tensor& rstd) {
  const Tensor rows = x.rows().to(x.dtype() == DType::kFloat64 ? DType::kFloat32 : x.dtype());
  const std::int64_t count = rows.size(0), width = rows.size(1);
  const std::int64_t padded = TernaryShape{1, width}.padded_columns();
  QuantisedRows result{Tensor::empty(DType::kUInt8, {count, padded}),
                       Tensor::empty(DType::kFloat32, {count}),
                       Tensor::empty(DType::kInt32, {count})};
  const Tensor scales =
      options.norm && !rstd.defined() ? Tensor::empty(DType::kFloat32, {count}) : rstd;
  const auto run = [&](auto zero) {
    using T = decltype(zero);
    kernels::cpu::bit_quantise<T>(
        {.q = reinterpret_cast<std::int8_t*>(result.q.data<std::uint8_t>()),
         .scale = result.scales.data<float>(),
         .sum = result.sums.data<std::int32_t>(),
         .rstd = options.norm ? scales.data<float>() : nullptr,
         .input = rows.data<T>(),
         .gain = gain.defined() ? gain.data<float>() : nullptr,
         .rows = count,
         .width = width,
         .input_stride = rows.stride(0),
         .q_stride = padded,
         .norm = options.norm,
         .eps = options.eps,
         .rounding = options.rounding},
        context);
  };
  if (rows.dtype() == DType::kBFloat16) {
    run(BFloat16{});
  } else {
    run(float{});
  }
  return result;
}

Tensor dequantised_rows(const kernels::Context& context, const QuantisedRows& rows,
                        std::int64_t width) {
  const Tensor z = Tensor::empty(DType::kFloat32, {rows.q.size(0), width});
  kernels::cpu::bit_dequantise(
      {.output = z.data<float>(),
       .q = reinterpret_cast<const std::int8_t*>(rows.q.data<std::uint8_t>()),
       .scale = rows.scales.data<float>(),
       .rows = z.size(0),
       .width = width,
       .q_stride = rows.q.size(1)},
      context);
  return z;
}

void fill_rstd(const kernels::Context& context, const Tensor& x, double eps, const Tensor& rstd) {
  const Tensor rows = wide_rows(x, rstd.dtype());
  dispatch_float(rstd.dtype(), "bit_linear", [&](auto tag) {
    using C = compute_t<typename decltype(tag)::type>;
    kernels::parallel_for(context, rows.size(0), [&](std::int64_t row) {
      const C* from = rows.data<C>() + row * rows.stride(0);
      C squares = 0;
      for (std::int64_t i = 0; i < rows.size(1); ++i) squares += from[i] * from[i];
      const C mean = squares / static_cast<C>(rows.size(1));
      rstd.data<C>()[row] = 1 / std::sqrt(mean + static_cast<C>(eps));
    });
  });
}

Tensor normalised_rows(const kernels::Context& context, const Tensor& x, const Tensor& gain,
                       const Tensor& rstd) {
  const DType dtype = rstd.defined() ? rstd.dtype() : compute_dtype(x.dtype());
  const Tensor rows = wide_rows(x, dtype);
  const Tensor z = Tensor::empty(dtype, {rows.size(0), rows.size(1)});
  dispatch_float(dtype, "bit_linear", [&](auto tag) {
    using C = compute_t<typename decltype(tag)::type>;
    kernels::parallel_for(context, rows.size(0), [&](std::int64_t row) {
      const C* from = rows.data<C>() + row * rows.stride(0);
      C* to = z.data<C>() + row * z.stride(0);
      const C scale = rstd.defined() ? rstd.data<C>()[row] : 1;
      for (std::int64_t i = 0; i < rows.size(1); ++i) {
        to[i] = from[i] * scale * (gain.defined() ? gain.data<C>()[i] : 1);
      }
    });
  });
  return z;
}

namespace {

// RMS normalisation's backward with weight one: the gradients of the weight, of the input, or both.
void rms_backward(const kernels::Context& context, const Tensor& x, const Tensor& rstd,
                  const Tensor& d_normal, const Tensor& d_x, const Tensor& d_gain) {
  const DType dtype = rstd.dtype();
  const Tensor rows = wide_rows(x, dtype), ones = Tensor::full(dtype, {rows.size(1)}, 1);
  const Tensor workspace =
      d_gain.defined() ? Tensor::empty(dtype, {kernels::norm_workspace(rows.size(0), rows.size(1))})
                       : Tensor();
  dispatch_float(dtype, "bit_linear", [&](auto tag) {
    using C = compute_t<typename decltype(tag)::type>;
    kernels::cpu::norm_backward<C>({.d_input = static_cast<C*>(d_x.raw()),
                                    .d_weight = static_cast<C*>(d_gain.raw()),
                                    .d_bias = nullptr,
                                    .d_output = d_normal.data<C>(),
                                    .input = rows.data<C>(),
                                    .weight = ones.data<C>(),
                                    .mean = nullptr,
                                    .rstd = rstd.data<C>(),
                                    .workspace = static_cast<C*>(workspace.raw()),
                                    .rows = rows.size(0),
                                    .width = rows.size(1),
                                    .d_input_stride = rows.size(1),
                                    .d_output_stride = d_normal.stride(0),
                                    .input_stride = rows.stride(0)},
                                   context);
  });
}

}  // namespace

Tensor gain_gradient(const kernels::Context& context, const Tensor& x, const Tensor& rstd,
                     const Tensor& d_z) {
  const Tensor d_gain = Tensor::empty(rstd.dtype(), {x.size(-1)});
  rms_backward(context, x, rstd, d_z, Tensor(), d_gain);
  return d_gain;
}

Tensor norm_gradient(const kernels::Context& context, const Tensor& x, const Tensor& rstd,
                     const Tensor& d_normal) {
  const Tensor d_x = Tensor::empty(rstd.dtype(), d_normal.shape());
  rms_backward(context, x, rstd, d_normal, d_x, Tensor());
  return d_x;
}

Tensor add_scaled(const kernels::Context& context, const Tensor& total, const Tensor& d_z,
                  const Tensor& gain) {
  if (!total.defined() && !gain.defined()) return d_z;
  const Tensor result = total.defined() ? total : Tensor::empty(d_z.dtype(), d_z.shape());
  const std::int64_t width = d_z.size(1);
  dispatch_float(d_z.dtype(), "bit_linear", [&](auto tag) {
    using C = compute_t<typename decltype(tag)::type>;
    const C* scale = gain.defined() ? gain.data<C>() : nullptr;
    kernels::parallel_blocks(context, d_z.size(0), kRowsPerTask,
                             [&](std::int64_t begin, std::int64_t end) {
                               for (std::int64_t row = begin; row < end; ++row) {
                                 const C* from = d_z.data<C>() + row * width;
                                 C* to = result.data<C>() + row * width;
                                 for (std::int64_t i = 0; i < width; ++i) {
                                   const C value = from[i] * (scale != nullptr ? scale[i] : 1);
                                   to[i] = total.defined() ? to[i] + value : value;
                                 }
                               }
                             });
  });
  return result;
}

}  // namespace peryton
