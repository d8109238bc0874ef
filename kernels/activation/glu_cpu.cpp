// Vector code of the gated linear unit, for float and bfloat16 storage; double goes to the
// reference.
// SPDX-License-Identifier: Apache-2.0
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/activation/glu_cpu.cpp"
#include "hwy/foreach_target.h"
// The per-target headers follow foreach_target.h.
#include "hwy/highway.h"
#include "kernels/activation/activation_math-inl.h"
#include "kernels/activation/glu.h"
#include "kernels/common/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::HWY_NAMESPACE {
namespace {

template <class F, class T>
void glu_forward_rows(const GluForwardArgs<T>& a, std::int64_t begin, std::int64_t end) {
  const std::size_t width = static_cast<std::size_t>(a.width), step = hn::Lanes(FloatTag());
  for (std::int64_t row = begin; row < end; ++row) {
    const T* gate = a.gate + row * a.gate_stride;
    const T* value = a.value + row * a.value_stride;
    T* output = a.output + row * a.output_stride;
    for (std::size_t i = 0; i < width; i += step) {
      const std::size_t left = width - i;
      const auto open = F::value(load_lanes(gate + i, left));
      store_lanes(hn::Mul(open, load_lanes(value + i, left)), output + i, left);
    }
  }
}

template <class F, class T>
void glu_backward_rows(const GluBackwardArgs<T>& a, std::int64_t begin, std::int64_t end) {
  const std::size_t width = static_cast<std::size_t>(a.width), step = hn::Lanes(FloatTag());
  for (std::int64_t row = begin; row < end; ++row) {
    const T* gate = a.gate + row * a.gate_stride;
    const T* value = a.value + row * a.value_stride;
    const T* d_output = a.d_output + row * a.d_output_stride;
    T* d_gate = a.d_gate != nullptr ? a.d_gate + row * a.d_gate_stride : nullptr;
    T* d_value = a.d_value != nullptr ? a.d_value + row * a.d_value_stride : nullptr;
    for (std::size_t i = 0; i < width; i += step) {
      const std::size_t left = width - i;
      const auto g = load_lanes(gate + i, left), v = load_lanes(value + i, left);
      const auto d_y = load_lanes(d_output + i, left);
      if (d_value != nullptr) store_lanes(hn::Mul(d_y, F::value(g)), d_value + i, left);
      if (d_gate == nullptr) continue;
      store_lanes(hn::Mul(hn::Mul(d_y, v), F::slope(g)), d_gate + i, left);
    }
  }
}

template <class T>
void glu_forward_any(const GluForwardArgs<T>& a, std::int64_t begin, std::int64_t end) {
  with_activation(a.kind, [&]<class F>(F) { glu_forward_rows<F>(a, begin, end); });
}
template <class T>
void glu_backward_any(const GluBackwardArgs<T>& a, std::int64_t begin, std::int64_t end) {
  with_activation(a.kind, [&]<class F>(F) { glu_backward_rows<F>(a, begin, end); });
}

// Highway's dispatch table takes plain functions.
void glu_forward_float(const GluForwardArgs<float>& a, std::int64_t b, std::int64_t e) {
  glu_forward_any(a, b, e);
}
void glu_forward_bfloat16(const GluForwardArgs<BFloat16>& a, std::int64_t b, std::int64_t e) {
  glu_forward_any(a, b, e);
}
void glu_backward_float(const GluBackwardArgs<float>& a, std::int64_t b, std::int64_t e) {
  glu_backward_any(a, b, e);
}
void glu_backward_bfloat16(const GluBackwardArgs<BFloat16>& a, std::int64_t b, std::int64_t e) {
  glu_backward_any(a, b, e);
}

}  // namespace
}  // namespace peryton::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace peryton::kernels {
HWY_EXPORT(glu_forward_float);
HWY_EXPORT(glu_forward_bfloat16);
HWY_EXPORT(glu_backward_float);
HWY_EXPORT(glu_backward_bfloat16);

namespace cpu {
namespace {

std::int64_t grain(std::int64_t width) { return width > 0 ? divide_up(16384, width) : 1; }

template <class Args, class Rows>
void in_blocks(const Args& args, const Context& context, Rows rows) {
  parallel_blocks(context, args.rows, grain(args.width),
                  [&](std::int64_t begin, std::int64_t end) { rows(args, begin, end); });
}

}  // namespace

template <>
void glu_forward(const GluForwardArgs<float>& args, const Context& context) {
  in_blocks(args, context, HWY_DYNAMIC_DISPATCH(glu_forward_float));
}
template <>
void glu_forward(const GluForwardArgs<BFloat16>& args, const Context& context) {
  in_blocks(args, context, HWY_DYNAMIC_DISPATCH(glu_forward_bfloat16));
}
template <>
void glu_forward(const GluForwardArgs<double>& args, const Context& context) {
  reference::glu_forward(args, context);
}

template <>
void glu_backward(const GluBackwardArgs<float>& args, const Context& context) {
  in_blocks(args, context, HWY_DYNAMIC_DISPATCH(glu_backward_float));
}
template <>
void glu_backward(const GluBackwardArgs<BFloat16>& args, const Context& context) {
  in_blocks(args, context, HWY_DYNAMIC_DISPATCH(glu_backward_bfloat16));
}
template <>
void glu_backward(const GluBackwardArgs<double>& args, const Context& context) {
  reference::glu_backward(args, context);
}

}  // namespace cpu
}  // namespace peryton::kernels
#endif
