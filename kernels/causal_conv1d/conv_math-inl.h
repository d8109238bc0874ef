// What forward and backward share inside a Highway target (per-target guard).
// SPDX-License-Identifier: Apache-2.0
#if defined(PERYTON_KERNELS_CAUSAL_CONV1D_CONV_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PERYTON_KERNELS_CAUSAL_CONV1D_CONV_MATH_INL_H_
#undef PERYTON_KERNELS_CAUSAL_CONV1D_CONV_MATH_INL_H_
#else
#define PERYTON_KERNELS_CAUSAL_CONV1D_CONV_MATH_INL_H_
#endif

#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"
#include "kernels/causal_conv1d/causal_conv1d.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class D, class V>
HWY_INLINE V Sigmoid(D d, V x) {
  const V one = hn::Set(d, 1.0f);
  return hn::Div(one, hn::Add(one, hn::Exp(d, hn::Neg(x))));
}

// bias + sum of taps at channel c; rows[k] is the input row of tap k.
template <class D, class Args>
HWY_INLINE hn::Vec<D> Taps(D d, const Args& args, const float* const* rows, std::int64_t first,
                           std::int64_t c) {
  auto sum = args.bias == nullptr ? hn::Zero(d) : hn::LoadU(d, args.bias + c);
  for (std::int64_t k = first; k < args.width; ++k) {
    sum = hn::MulAdd(hn::LoadU(d, args.weight + k * args.channels + c), hn::LoadU(d, rows[k] + c),
                     sum);
  }
  return sum;
}

template <class Args>
HWY_INLINE std::int64_t FindRows(const Args& args, std::int64_t b, std::int64_t t,
                                 const float** rows) {
  const std::int64_t first = args.first_tap(b, t);
  for (std::int64_t k = first; k < args.width; ++k) {
    rows[k] = args.row(b, t - (args.width - 1) + k);
  }
  return first;
}

}  // namespace peryton::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
