// Loops over whole vectors and what is left of them.
// SPDX-License-Identifier: Apache-2.0
#if defined(PERYTON_KERNELS_SSD_VECTOR_LOOPS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PERYTON_KERNELS_SSD_VECTOR_LOOPS_INL_H_
#undef PERYTON_KERNELS_SSD_VECTOR_LOOPS_INL_H_
#else
#define PERYTON_KERNELS_SSD_VECTOR_LOOPS_INL_H_
#endif

#include <algorithm>
#include <cstdint>

#include "hwy/highway.h"
// After highway.h
#include "hwy/contrib/math/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::cpu::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

// Calls body(d, i) for i in [0, count): whole vectors, then single elements.
template <class T, class Body>
HWY_INLINE void ForEachVector(std::int64_t count, const Body& body) {
  const hn::ScalableTag<T> d;
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) body(d, i);
  for (; i < count; ++i) body(hn::CappedTag<T, 1>(), i);
}

// out = exp(min(x, 0)): every decay exponent is at most 0 but for rounding.
template <class T>
void DecayOf(const T* x, T* out, std::int64_t count) {
  ForEachVector<T>(count, [&](auto d, std::int64_t i) HWY_ATTR {
    hn::StoreU(hn::Exp(d, hn::Min(hn::LoadU(d, x + i), hn::Zero(d))), d, out + i);
  });
}

}  // namespace
}  // namespace peryton::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
