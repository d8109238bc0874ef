// Weights of the softmax, e^(scale x - shift), as floats and, for products that round them to
// bfloat16, with a cheaper exponential. Include inside a Highway target (per-target guard).
// SPDX-License-Identifier: Apache-2.0
#if defined(PERYTON_KERNELS_ATTENTION_WEIGHTS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PERYTON_KERNELS_ATTENTION_WEIGHTS_INL_H_
#undef PERYTON_KERNELS_ATTENTION_WEIGHTS_INL_H_
#else
#define PERYTON_KERNELS_ATTENTION_WEIGHTS_INL_H_
#endif

#include <type_traits>

#include "hwy/contrib/math/math-inl.h"
#include "kernels/common/lanes-inl.h"
#include "kernels/gemm/round_pairs-inl.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::HWY_NAMESPACE {
namespace {

// 2^y for y up to 127, at least 2^-126; NaN stays NaN. The fraction of y goes through the minimax
// polynomial of degree 5 (relative error 7.5e-8), the whole part into the exponent.
HWY_INLINE FloatVector PowerOfTwo(FloatVector y) {
  const FloatTag d;
  const hn::RebindToSigned<FloatTag> words;
  y = hn::Max(hn::Set(d, -126.0f), y);
  const auto magic = hn::Set(d, 12582912.0f);  // 1.5 * 2^23: the sum's last bits are a whole number
  const auto whole = hn::Add(y, magic);
  const auto f = hn::Sub(y, hn::Sub(whole, magic));
  auto p = hn::Set(d, 0.0013276467799f);
  p = hn::MulAdd(p, f, hn::Set(d, 0.0096755412483f));
  p = hn::MulAdd(p, f, hn::Set(d, 0.0555071328665f));
  p = hn::MulAdd(p, f, hn::Set(d, 0.2402211972657f));
  p = hn::MulAdd(p, f, hn::Set(d, 0.6931469670587f));
  p = hn::MulAdd(p, f, hn::Set(d, 1.0000000716541f));
  const auto exponent = hn::ShiftLeft<23>(hn::BitCast(words, whole));
  return hn::BitCast(d, hn::Add(hn::BitCast(words, p), exponent));
}

// Exponents of what: e for floats, 2 for bfloat16.
template <class T>
constexpr float kUnit = std::is_same_v<T, BFloat16> ? 1.44269504088896f : 1.0f;

template <class T>
HWY_INLINE FloatVector InUnits(FloatVector exponent) {
  if constexpr (kUnit<T> == 1.0f) return exponent;
  return hn::Mul(exponent, hn::Set(FloatTag(), kUnit<T>));
}

// Scale and shift are in units.
template <class T>
HWY_INLINE FloatVector Weight(FloatVector x, FloatVector scale, FloatVector shift) {
  const auto exponent = hn::MulSub(x, scale, shift);
  if constexpr (std::is_same_v<T, BFloat16>) return PowerOfTwo(exponent);
  return hn::Exp(FloatTag(), exponent);
}

// Two vectors one after the other.
HWY_INLINE void StoreTwo(FloatVector low, FloatVector high, float* to) {
  store_full(low, to);
  store_full(high, to + kLanes);
}

HWY_INLINE void StoreTwo(FloatVector low, FloatVector high, BFloat16* to) {
#if HWY_TARGET == HWY_SCALAR
  store_full(low, to);
  store_full(high, to + 1);
#else
  const WordTag d;
  StoreRounded(hn::BitCast(d, low), hn::BitCast(d, high), &to->bits);
#endif
}

}  // namespace
}  // namespace peryton::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
