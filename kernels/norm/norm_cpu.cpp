// Vector code of normalisation, for float and bfloat16 storage; double goes to the reference.
// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/norm/norm_cpu.cpp"
#include "hwy/foreach_target.h"
// The per-target headers follow foreach_target.h.
#include "hwy/highway.h"
#include "kernels/common/lanes-inl.h"
#include "kernels/common/row_blocks.h"
#include "kernels/norm/norm.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::HWY_NAMESPACE {
namespace {

template <class T>
float row_mean(const T* input, std::size_t width) {
  const std::size_t step = hn::Lanes(FloatTag());
  auto sum = hn::Zero(FloatTag());
  for (std::size_t i = 0; i < width; i += step)
    sum = hn::Add(sum, load_lanes(input + i, width - i));
  return sum_lanes(sum) / static_cast<float>(width);
}

template <class T>
float row_variance(const T* input, std::size_t width, float mean) {
  const FloatTag d;
  const std::size_t step = hn::Lanes(d);
  const auto shift = hn::Set(d, mean);
  auto sum = hn::Zero(d);
  std::size_t i = 0;
  for (; i + step <= width; i += step) {
    const auto centred = hn::Sub(load_full(input + i), shift);
    sum = hn::MulAdd(centred, centred, sum);
  }
  float total = sum_lanes(sum);
  for (; i < width; ++i) {
    const float centred = static_cast<float>(input[i]) - mean;
    total += centred * centred;
  }
  return total / static_cast<float>(width);
}

// input + addend, written to `sum`, of one row.
template <class T>
const T* join_row(const NormForwardArgs<T>& a, const T* input, std::int64_t row) {
  const std::size_t width = static_cast<std::size_t>(a.width), step = hn::Lanes(FloatTag());
  const T* addend = a.addend + row * a.width;
  T* sum = a.sum + row * a.width;
  for (std::size_t i = 0; i < width; i += step) {
    const auto joined =
        hn::Add(load_lanes(input + i, width - i), load_lanes(addend + i, width - i));
    store_lanes(joined, sum + i, width - i);
  }
  return sum;
}

template <class T>
void forward_rows(const NormForwardArgs<T>& a, std::int64_t begin, std::int64_t end) {
  const FloatTag d;
  const std::size_t width = static_cast<std::size_t>(a.width), step = hn::Lanes(d);
  for (std::int64_t row = begin; row < end; ++row) {
    const T* input = a.input + row * a.input_stride;
    T* output = a.output + row * a.output_stride;
    if (a.addend != nullptr) input = join_row(a, input, row);
    const float mean = a.mean != nullptr ? row_mean(input, width) : 0.0f;
    const float rstd =
        1.0f / std::sqrt(row_variance(input, width, mean) + static_cast<float>(a.eps));
    const auto shift = hn::Set(d, mean), scale = hn::Set(d, rstd);
    for (std::size_t i = 0; i < width; i += step) {
      const auto normal = hn::Mul(hn::Sub(load_lanes(input + i, width - i), shift), scale);
      const auto weight = load_lanes(a.weight + i, width - i);
      const auto bias = a.bias != nullptr ? load_lanes(a.bias + i, width - i) : hn::Zero(d);
      store_lanes(hn::MulAdd(normal, weight, bias), output + i, width - i);
    }
    if (a.mean != nullptr) a.mean[row] = mean;
    a.rstd[row] = rstd;
  }
}

template <class T>
float mean_of(const NormBackwardArgs<T>& a, std::int64_t row) {
  return a.mean != nullptr ? a.mean[row] : 0.0f;
}

template <class T>
void input_gradient_row(const NormBackwardArgs<T>& a, std::int64_t row) {
  const FloatTag d;
  const std::size_t width = static_cast<std::size_t>(a.width), step = hn::Lanes(d);
  const T* input = a.input + row * a.input_stride;
  const T* d_output = a.d_output + row * a.d_output_stride;
  T* d_input = a.d_input + row * a.d_input_stride;
  const auto shift = hn::Set(d, mean_of(a, row)), scale = hn::Set(d, a.rstd[row]);
  auto sum = hn::Zero(d), product = hn::Zero(d);
  for (std::size_t i = 0; i < width; i += step) {
    const auto normal = hn::Mul(hn::Sub(load_lanes(input + i, width - i), shift), scale);
    const auto g =
        hn::Mul(load_lanes(d_output + i, width - i), load_lanes(a.weight + i, width - i));
    sum = hn::Add(sum, g);  // lanes past the row are zero in g
    product = hn::MulAdd(g, normal, product);
  }
  const float mean = a.mean != nullptr ? sum_lanes(sum) / static_cast<float>(width) : 0.0f;
  const auto mean_g = hn::Set(d, mean);
  const auto mean_product = hn::Set(d, sum_lanes(product) / static_cast<float>(width));
  for (std::size_t i = 0; i < width; i += step) {
    const auto normal = hn::Mul(hn::Sub(load_lanes(input + i, width - i), shift), scale);
    const auto g =
        hn::Mul(load_lanes(d_output + i, width - i), load_lanes(a.weight + i, width - i));
    const auto result = hn::Sub(hn::Sub(g, mean_g), hn::Mul(normal, mean_product));
    const auto other =
        a.d_sum != nullptr ? load_lanes(a.d_sum + row * a.width + i, width - i) : hn::Zero(d);
    store_lanes(hn::MulAdd(result, scale, other), d_input + i, width - i);
  }
}

// Adds one row to the partial d_weight and d_bias of its block.
template <class T>
void add_weight_gradient_row(const NormBackwardArgs<T>& a, std::int64_t row, float* d_weight,
                             float* d_bias) {
  const FloatTag d;
  const std::size_t width = static_cast<std::size_t>(a.width), step = hn::Lanes(d);
  const T* input = a.input + row * a.input_stride;
  const T* d_output = a.d_output + row * a.d_output_stride;
  const auto shift = hn::Set(d, mean_of(a, row)), scale = hn::Set(d, a.rstd[row]);
  for (std::size_t i = 0; i < width; i += step) {
    const std::size_t left = width - i;
    const auto d_y = load_lanes(d_output + i, left);
    const auto normal = hn::Mul(hn::Sub(load_lanes(input + i, left), shift), scale);
    store_lanes(hn::MulAdd(d_y, normal, load_lanes(d_weight + i, left)), d_weight + i, left);
    store_lanes(hn::Add(d_y, load_lanes(d_bias + i, left)), d_bias + i, left);
  }
}

template <class T>
void backward_rows(const NormBackwardArgs<T>& a, std::int64_t begin, std::int64_t end) {
  const bool weights = a.d_weight != nullptr || a.d_bias != nullptr;
  float* d_weight = weights ? a.workspace + begin / rows_per_block(a.rows) * 2 * a.width : nullptr;
  float* d_bias = weights ? d_weight + a.width : nullptr;
  if (weights) std::memset(d_weight, 0, static_cast<std::size_t>(2 * a.width) * sizeof(float));
  for (std::int64_t row = begin; row < end; ++row) {
    if (weights) add_weight_gradient_row(a, row, d_weight, d_bias);
    if (a.d_input != nullptr) input_gradient_row(a, row);
  }
}

// Highway's dispatch table takes plain functions.
void forward_float(const NormForwardArgs<float>& a, std::int64_t b, std::int64_t e) {
  forward_rows(a, b, e);
}
void forward_bfloat16(const NormForwardArgs<BFloat16>& a, std::int64_t b, std::int64_t e) {
  forward_rows(a, b, e);
}
void backward_float(const NormBackwardArgs<float>& a, std::int64_t b, std::int64_t e) {
  backward_rows(a, b, e);
}
void backward_bfloat16(const NormBackwardArgs<BFloat16>& a, std::int64_t b, std::int64_t e) {
  backward_rows(a, b, e);
}

}  // namespace
}  // namespace peryton::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace peryton::kernels {
HWY_EXPORT(forward_float);
HWY_EXPORT(forward_bfloat16);
HWY_EXPORT(backward_float);
HWY_EXPORT(backward_bfloat16);

namespace cpu {
namespace {

template <class T, class Rows>
void run_forward(const NormForwardArgs<T>& args, const Context& context, Rows rows) {
  parallel_blocks(context, args.rows, rows_per_block(args.rows),
                  [&](std::int64_t begin, std::int64_t end) { rows(args, begin, end); });
}

template <class T, class Rows>
void run_backward(const NormBackwardArgs<T>& args, const Context& context, Rows rows) {
  parallel_blocks(context, args.rows, rows_per_block(args.rows),
                  [&](std::int64_t begin, std::int64_t end) { rows(args, begin, end); });
  const std::int64_t blocks = row_block_count(args.rows), stride = 2 * args.width;
  const auto total = [&](float* gradient, std::int64_t offset) {
    if (gradient == nullptr) return;
    add_row_blocks(gradient, args.workspace + offset, blocks, stride, args.width, context);
  };
  total(args.d_weight, 0);
  total(args.d_bias, args.width);
}

}  // namespace

template <>
void norm_forward(const NormForwardArgs<float>& args, const Context& context) {
  run_forward(args, context, HWY_DYNAMIC_DISPATCH(forward_float));
}
template <>
void norm_forward(const NormForwardArgs<BFloat16>& args, const Context& context) {
  run_forward(args, context, HWY_DYNAMIC_DISPATCH(forward_bfloat16));
}
template <>
void norm_forward(const NormForwardArgs<double>& args, const Context& context) {
  reference::norm_forward(args, context);
}

template <>
void norm_backward(const NormBackwardArgs<float>& args, const Context& context) {
  run_backward(args, context, HWY_DYNAMIC_DISPATCH(backward_float));
}
template <>
void norm_backward(const NormBackwardArgs<BFloat16>& args, const Context& context) {
  run_backward(args, context, HWY_DYNAMIC_DISPATCH(backward_bfloat16));
}
template <>
void norm_backward(const NormBackwardArgs<double>& args, const Context& context) {
  reference::norm_backward(args, context);
}

}  // namespace cpu
}  // namespace peryton::kernels
#endif
