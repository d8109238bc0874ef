// Vector code of the activations, for float and bfloat16 storage; double goes to the reference.
// SPDX-License-Identifier: Apache-2.0
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/activation/activation_cpu.cpp"
#include "hwy/foreach_target.h"
// The per-target headers follow foreach_target.h.
#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"
#include "kernels/activation/activation.h"
#include "kernels/common/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::HWY_NAMESPACE {
namespace {

// exp(z^2) erfc(z) = t P(t), t = 1 / (1 + 0.44 z), for z in [0, 9.5]; relative error 2.4e-7. Our
// own Chebyshev fit. Returns Phi(-|x|) from e = exp(-x^2 / 2) and |x|.
HWY_INLINE FloatVector lower_tail(FloatVector magnitude, FloatVector e) {
  const FloatTag d;
  constexpr float kPoly[] = {0.0701655019f, -0.2736207265f, 0.289399839f,  -0.01365856595f,
                             0.212476661f,  0.218284796f,   0.2487224371f, 0.2482301951f};
  const auto z = hn::Mul(magnitude, hn::Set(d, 0.70710678f));
  const auto t = hn::Div(hn::Set(d, 1.0f), hn::MulAdd(z, hn::Set(d, 0.44f), hn::Set(d, 1.0f)));
  auto p = hn::Set(d, kPoly[0]);
  for (int i = 1; i < 8; ++i) p = hn::MulAdd(p, t, hn::Set(d, kPoly[i]));
  return hn::Mul(hn::Mul(hn::Mul(p, t), e), hn::Set(d, 0.5f));
}

HWY_INLINE FloatVector logistic(FloatVector x) {
  const FloatTag d;
  const auto one = hn::Set(d, 1.0f);
  // Above 80 the exponential leaves the range of the approximation; the result is 0 in float
  // anyway.
  const auto power = hn::Min(hn::Neg(x), hn::Set(d, 80.0f));
  return hn::Div(one, hn::Add(one, hn::Exp(d, power)));
}

struct GeluErf {
  static HWY_INLINE FloatVector phi(FloatVector x, FloatVector e) {
    const FloatTag d;
    const auto tail = lower_tail(hn::Abs(x), e);
    return hn::IfThenElse(hn::Lt(x, hn::Zero(d)), tail, hn::Sub(hn::Set(d, 1.0f), tail));
  }
  static HWY_INLINE FloatVector bell(FloatVector x) {
    const FloatTag d;
    return hn::Exp(d, hn::Mul(hn::Mul(x, x), hn::Set(d, -0.5f)));
  }
  static HWY_INLINE FloatVector value(FloatVector x) { return hn::Mul(x, phi(x, bell(x))); }
  static HWY_INLINE FloatVector slope(FloatVector x) {
    const auto e = bell(x);
    return hn::MulAdd(x, hn::Mul(e, hn::Set(FloatTag(), 0.39894228f)), phi(x, e));
  }
};

struct GeluTanh {
  static constexpr float kScale = 1.59576912f;  // 2 sqrt(2 / pi)
  static constexpr float kCubic = 0.044715f;
  static HWY_INLINE FloatVector gate(FloatVector x, FloatVector square) {
    const FloatTag d;
    const auto inner = hn::MulAdd(square, hn::Set(d, kCubic), hn::Set(d, 1.0f));
    return logistic(hn::Mul(hn::Mul(x, inner), hn::Set(d, kScale)));
  }
  static HWY_INLINE FloatVector value(FloatVector x) { return hn::Mul(x, gate(x, hn::Mul(x, x))); }
  static HWY_INLINE FloatVector slope(FloatVector x) {
    const FloatTag d;
    const auto square = hn::Mul(x, x);
    const auto s = gate(x, square);
    const auto bend = hn::Mul(hn::Mul(x, s), hn::Sub(hn::Set(d, 1.0f), s));
    const auto inner = hn::MulAdd(square, hn::Set(d, 3 * kCubic * kScale), hn::Set(d, kScale));
    return hn::MulAdd(bend, inner, s);
  }
};

struct Silu {
  static HWY_INLINE FloatVector value(FloatVector x) { return hn::Mul(x, logistic(x)); }
  static HWY_INLINE FloatVector slope(FloatVector x) {
    const auto one = hn::Set(FloatTag(), 1.0f);
    const auto s = logistic(x);
    return hn::Mul(s, hn::MulAdd(x, hn::Sub(one, s), one));
  }
};

struct Relu {
  static HWY_INLINE FloatVector value(FloatVector x) { return hn::Max(x, hn::Zero(FloatTag())); }
  static HWY_INLINE FloatVector slope(FloatVector x) {
    const FloatTag d;
    return hn::IfThenElseZero(hn::Gt(x, hn::Zero(d)), hn::Set(d, 1.0f));
  }
};

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
  switch (a.kind) {
    case Activation::kGeluErf:
      return forward_rows<GeluErf>(a, begin, end);
    case Activation::kGeluTanh:
      return forward_rows<GeluTanh>(a, begin, end);
    case Activation::kSilu:
      return forward_rows<Silu>(a, begin, end);
    case Activation::kRelu:
      return forward_rows<Relu>(a, begin, end);
  }
}

template <class T>
void backward_any(const ActivationBackwardArgs<T>& a, std::int64_t begin, std::int64_t end) {
  switch (a.kind) {
    case Activation::kGeluErf:
      return backward_rows<GeluErf>(a, begin, end);
    case Activation::kGeluTanh:
      return backward_rows<GeluTanh>(a, begin, end);
    case Activation::kSilu:
      return backward_rows<Silu>(a, begin, end);
    case Activation::kRelu:
      return backward_rows<Relu>(a, begin, end);
  }
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
