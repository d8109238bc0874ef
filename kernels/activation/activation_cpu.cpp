// Vector code of the activations, for float and bfloat16 storage; double goes to the reference.
// SPDX-License-Identifier: Apache-2.0
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/activation/activation_cpu.cpp"
#include "hwy/foreach_target.h"
// The per-target headers follow foreach_target.h.
#include "hwy/highway.h"
#include "kernels/activation/activation.h"
#include "kernels/activation/activation_math-inl.h"
#include "kernels/common/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::HWY_NAMESPACE {
namespace {

template <class F, class T>
void forward_rows(const ActivationForwardArgs<T>& a, std::int64_t begin, std::int64_t end) {
  const std::size_t width = static_cast<std::size_t>(a.width), step = hn::Lanes(FloatTag());
  for (std::int64_t row = begin; row < end; ++row) {
    const T* input = a.input + row * a.input_stride;
    T* output = a.output + row * a.output_stride;
    for (std::size_t i = 0; i < width; i += step) {
      store_lanes(F::value(load_lanes(input + i, width - i)), output + i, width - i);
    }
  }
}

template <class F, class T>
void backward_rows(const ActivationBackwardArgs<T>& a, std::int64_t begin, std::int64_t end) {
  const std::size_t width = static_cast<std::size_t>(a.width), step = hn::Lanes(FloatTag());
  for (std::int64_t row = begin; row < end; ++row) {
    const T* input = a.input + row * a.input_stride;
    const T* d_output = a.d_output + row * a.d_output_stride;
    T* d_input = a.d_input + row * a.d_input_stride;
    for (std::size_t i = 0; i < width; i += step) {
      const auto slope = F::slope(load_lanes(input + i, width - i));
      const auto d_y = load_lanes(d_output + i, width - i);
      store_lanes(hn::Mul(d_y, slope), d_input + i, width - i);
    }
  }
}

template <class T>
void forward_any(const ActivationForwardArgs<T>& a, std::int64_t begin, std::int64_t end) {
  with_activation(a.kind, [&]<class F>(F) { forward_rows<F>(a, begin, end); });
}

template <class T>
void backward_any(const ActivationBackwardArgs<T>& a, std::int64_t begin, std::int64_t end) {
  with_activation(a.kind, [&]<class F>(F) { backward_rows<F>(a, begin, end); });
}

// Highway's dispatch table takes plain functions.
void forward_float(const ActivationForwardArgs<float>& a, std::int64_t b, std::int64_t e) {
  forward_any(a, b, e);
}
void forward_bfloat16(const ActivationForwardArgs<BFloat16>& a, std::int64_t b, std::int64_t e) {
  forward_any(a, b, e);
}
void backward_float(const ActivationBackwardArgs<float>& a, std::int64_t b, std::int64_t e) {
  backward_any(a, b, e);
}
void backward_bfloat16(const ActivationBackwardArgs<BFloat16>& a, std::int64_t b, std::int64_t e) {
  backward_any(a, b, e);
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

std::int64_t grain(std::int64_t width) { return width > 0 ? divide_up(16384, width) : 1; }

}  // namespace

template <>
void activation_forward(const ActivationForwardArgs<float>& args, const Context& context) {
  const auto rows = HWY_DYNAMIC_DISPATCH(forward_float);
  parallel_blocks(context, args.rows, grain(args.width),
                  [&](std::int64_t begin, std::int64_t end) { rows(args, begin, end); });
}

template <>
void activation_forward(const ActivationForwardArgs<BFloat16>& args, const Context& context) {
  const auto rows = HWY_DYNAMIC_DISPATCH(forward_bfloat16);
  parallel_blocks(context, args.rows, grain(args.width),
                  [&](std::int64_t begin, std::int64_t end) { rows(args, begin, end); });
}

template <>
void activation_forward(const ActivationForwardArgs<double>& args, const Context& context) {
  reference::activation_forward(args, context);
}

template <>
void activation_backward(const ActivationBackwardArgs<float>& args, const Context& context) {
  const auto rows = HWY_DYNAMIC_DISPATCH(backward_float);
  parallel_blocks(context, args.rows, grain(args.width),
                  [&](std::int64_t begin, std::int64_t end) { rows(args, begin, end); });
}

template <>
void activation_backward(const ActivationBackwardArgs<BFloat16>& args, const Context& context) {
  const auto rows = HWY_DYNAMIC_DISPATCH(backward_bfloat16);
  parallel_blocks(context, args.rows, grain(args.width),
                  [&](std::int64_t begin, std::int64_t end) { rows(args, begin, end); });
}

template <>
void activation_backward(const ActivationBackwardArgs<double>& args, const Context& context) {
  reference::activation_backward(args, context);
}

}  // namespace cpu
}  // namespace peryton::kernels
#endif
