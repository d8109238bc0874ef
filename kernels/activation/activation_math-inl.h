// Values and slopes of the activations on float vectors. Include inside a Highway target
// (per-target guard).
// SPDX-License-Identifier: Apache-2.0
#if defined(PERYTON_KERNELS_ACTIVATION_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PERYTON_KERNELS_ACTIVATION_MATH_INL_H_
#undef PERYTON_KERNELS_ACTIVATION_MATH_INL_H_
#else
#define PERYTON_KERNELS_ACTIVATION_MATH_INL_H_
#endif

#include "hwy/contrib/math/math-inl.h"
#include "kernels/activation/activation.h"
#include "kernels/common/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::HWY_NAMESPACE {

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

struct Relu2 {
  static HWY_INLINE FloatVector value(FloatVector x) {
    const auto y = Relu::value(x);
    return hn::Mul(y, y);
  }
  static HWY_INLINE FloatVector slope(FloatVector x) {
    return hn::Mul(hn::Set(FloatTag(), 2.0f), Relu::value(x));
  }
};

struct Sigmoid {
  static HWY_INLINE FloatVector value(FloatVector x) { return logistic(x); }
  static HWY_INLINE FloatVector slope(FloatVector x) {
    const auto s = logistic(x);
    return hn::Mul(s, hn::Sub(hn::Set(FloatTag(), 1.0f), s));
  }
};

// Calls f(F()) with the functions of `kind`.
template <class Visitor>
HWY_INLINE void with_activation(Activation kind, Visitor&& f) {
  switch (kind) {
    case Activation::kGeluErf:
      return f(GeluErf());
    case Activation::kGeluTanh:
      return f(GeluTanh());
    case Activation::kSilu:
      return f(Silu());
    case Activation::kRelu:
      return f(Relu());
    case Activation::kRelu2:
      return f(Relu2());
    case Activation::kSigmoid:
      return f(Sigmoid());
  }
}

}  // namespace peryton::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
