// Floats rounded to bfloat16, two depths in one word.
// SPDX-License-Identifier: Apache-2.0
#if defined(PERYTON_KERNELS_GEMM_ROUND_PAIRS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PERYTON_KERNELS_GEMM_ROUND_PAIRS_INL_H_
#undef PERYTON_KERNELS_GEMM_ROUND_PAIRS_INL_H_
#else
#define PERYTON_KERNELS_GEMM_ROUND_PAIRS_INL_H_
#endif

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "kernels/common/context.h"
#include "kernels/common/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::HWY_NAMESPACE {
namespace {

using WordTag = hn::RebindToUnsigned<FloatTag>;
using Words = hn::Vec<WordTag>;
constexpr auto kLanes = static_cast<std::int64_t>(hn::MaxLanes(FloatTag()));

// The first `count` elements as float, bfloat16 in the upper half; lanes past them are zero.
HWY_INLINE Words LoadBits(const float* from, std::int64_t count) {
  const FloatTag d;
  const auto first = hn::FirstN(d, static_cast<std::size_t>(count));
  return hn::BitCast(WordTag(),
                     count >= kLanes ? hn::LoadU(d, from) : hn::MaskedLoad(first, d, from));
}

HWY_INLINE Words LoadBits(const BFloat16* from, std::int64_t count) {
  return hn::BitCast(WordTag(), load_lanes(from, static_cast<std::size_t>(count)));
}

// Rounded to bfloat16 in the upper half, the lower one undefined: to nearest even, NaN kept.
template <class T>
HWY_INLINE Words Rounded(Words bits) {
  if constexpr (std::is_same_v<T, BFloat16>) return bits;
  const WordTag d;
  const auto even = hn::And(hn::ShiftRight<16>(bits), hn::Set(d, 1u));
  const auto rounded = hn::Add(bits, hn::Add(even, hn::Set(d, 0x7fffu)));
  const auto nan = hn::RebindMask(d, hn::IsNaN(hn::BitCast(FloatTag(), bits)));
  return hn::IfThenElse(nan, hn::Or(bits, hn::Set(d, 0x400000u)), rounded);
}

// Two depths of as many lines, side by side.
template <class T>
HWY_INLINE Words Pairs(Words even, Words odd) {
  const auto upper = hn::And(Rounded<T>(odd), hn::Set(WordTag(), 0xffff0000u));
  return hn::Or(hn::ShiftRight<16>(Rounded<T>(even)), upper);
}

#if HWY_TARGET != HWY_SCALAR
// Two vectors one after the other, rounded.
HWY_INLINE void StoreRounded(Words low, Words high, std::uint16_t* to) {
  const hn::Repartition<std::uint16_t, FloatTag> halves;
  const auto first = hn::BitCast(halves, Rounded<float>(low));
  const auto second = hn::BitCast(halves, Rounded<float>(high));
  hn::StoreU(hn::ConcatOdd(halves, second, first), halves, to);
}
#endif

// `depths` contiguous elements as pairs; the last of an odd number with a zero.
HWY_INLINE void PairsOfLine(const float* from, std::int64_t depths, std::uint16_t* to) {
  std::int64_t p = 0;
#if HWY_TARGET != HWY_SCALAR
  for (; p + 2 * kLanes <= depths; p += 2 * kLanes) {
    StoreRounded(LoadBits(from + p, kLanes), LoadBits(from + p + kLanes, kLanes), to + p);
  }
#endif
  for (; p < depths; ++p) to[p] = BFloat16(from[p]).bits;
  if (depths % 2 != 0) to[depths] = 0;
}

HWY_INLINE void PairsOfLine(const BFloat16* from, std::int64_t depths, std::uint16_t* to) {
  std::memcpy(to, from, static_cast<std::size_t>(depths) * sizeof *from);
  if (depths % 2 != 0) to[depths] = 0;
}

}  // namespace
}  // namespace peryton::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
