// Loads and stores of up to one vector of elements, widened to float: the inner loops of kernels
// written for float and bfloat16 at once, with any width. Include inside a Highway target
// (per-target guard).
// SPDX-License-Identifier: Apache-2.0
#if defined(PERYTON_KERNELS_COMMON_LANES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PERYTON_KERNELS_COMMON_LANES_INL_H_
#undef PERYTON_KERNELS_COMMON_LANES_INL_H_
#else
#define PERYTON_KERNELS_COMMON_LANES_INL_H_
#endif

#include <cstddef>
#include <cstring>

#include "hwy/highway.h"
#include "kernels/common/dtype.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::ScalableTag<float>;
using FloatVector = hn::Vec<FloatTag>;

HWY_INLINE FloatVector load_full(const float* from) { return hn::LoadU(FloatTag(), from); }

HWY_INLINE FloatVector load_full(const BFloat16* from) {
  const FloatTag d;
  const hn::RebindToUnsigned<FloatTag> words;
  const hn::Rebind<std::uint16_t, FloatTag> halves;
  const auto bits = hn::LoadU(halves, reinterpret_cast<const std::uint16_t*>(from));
  return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(words, bits)));
}

HWY_INLINE void store_full(FloatVector value, float* to) { hn::StoreU(value, FloatTag(), to); }

// Rounds to nearest even and keeps NaN, as BFloat16(float) does.
HWY_INLINE void store_full(FloatVector value, BFloat16* to) {
  const FloatTag d;
  const hn::RebindToUnsigned<FloatTag> words;
  const hn::Rebind<std::uint16_t, FloatTag> halves;
  const auto bits = hn::BitCast(words, value);
  const auto high = hn::ShiftRight<16>(bits);
  const auto even = hn::And(high, hn::Set(words, 1u));
  const auto rounded = hn::ShiftRight<16>(hn::Add(bits, hn::Add(even, hn::Set(words, 0x7fffu))));
  const auto quiet = hn::Or(high, hn::Set(words, 0x40u));
  const auto result = hn::IfThenElse(hn::RebindMask(words, hn::IsNaN(value)), quiet, rounded);
  (void)d;
  hn::StoreU(hn::TruncateTo(halves, result), halves, reinterpret_cast<std::uint16_t*>(to));
}

// The first `count` (at least 1) elements; lanes past them are zero.
template <class T>
HWY_INLINE FloatVector load_lanes(const T* from, std::size_t count) {
  const FloatTag d;
  if (HWY_LIKELY(count >= hn::Lanes(d))) return load_full(from);
  T padded[HWY_MAX_BYTES / sizeof(float)] = {};
  std::memcpy(padded, from, count * sizeof(T));
  return load_full(padded);
}

template <class T>
HWY_INLINE void store_lanes(FloatVector value, T* to, std::size_t count) {
  const FloatTag d;
  if (HWY_LIKELY(count >= hn::Lanes(d))) return store_full(value, to);
  T padded[HWY_MAX_BYTES / sizeof(float)];
  store_full(value, padded);
  std::memcpy(to, padded, count * sizeof(T));
}

HWY_INLINE float sum_lanes(FloatVector value) {
  return hn::GetLane(hn::SumOfLanes(FloatTag(), value));
}

}  // namespace peryton::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
