// Vector code of the row quantiser: the same bits as the reference, on any vector width.
// SPDX-License-Identifier: Apache-2.0
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/bit_quantise/bit_quantise_cpu.cpp"
#include "hwy/foreach_target.h"
// The per-target headers follow foreach_target.h.
#include <cmath>
#include <limits>

#include "hwy/highway.h"
#include "kernels/bit_quantise/bit_quantise.h"
#include "kernels/bit_quantise/block_tree.h"
#include "kernels/common/lanes-inl.h"
#include "kernels/ternary_pack/ternary_pack.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::HWY_NAMESPACE {
namespace {

using IntTag = hn::RebindToSigned<FloatTag>;
using ByteTag = hn::Rebind<std::int8_t, FloatTag>;

constexpr std::size_t kBlock = 64;

// Adds the second half of 2 kHalf values to the first, and so on down to one.
template <std::size_t kHalf>
HWY_INLINE void halve(float* values) {
  const hn::CappedTag<float, kHalf> d;
  for (std::size_t j = 0; j < kHalf; j += hn::Lanes(d)) {
    hn::Store(hn::Add(hn::Load(d, values + j), hn::Load(d, values + j + kHalf)), d, values + j);
  }
  if constexpr (kHalf > 1) halve<kHalf / 2>(values);
}

// The tree of one block: every step adds j + half to j.
template <class T>
HWY_INLINE float block_square_sum(const T* input, std::size_t count) {
  const FloatTag d;
  const std::size_t lanes = hn::Lanes(d);
  HWY_ALIGN float squares[kBlock];
  for (std::size_t j = 0; j < kBlock; j += lanes) {
    const auto x = j < count ? load_lanes(input + j, count - j) : hn::Zero(d);
    hn::Store(hn::Mul(x, x), d, squares + j);
  }
  halve<kBlock / 2>(squares);
  return squares[0];
}

template <class T>
float square_sum(const T* input, std::size_t width) {
  BlockTree tree;
  for (std::size_t begin = 0; begin < width; begin += kBlock) {
    tree.add(block_square_sum(input + begin, width - begin));
  }
  return tree.sum();
}

// z of one vector of elements; lanes past the row's end are zero.
template <class T>
HWY_INLINE FloatVector normalised(const BitQuantiseArgs<T>& a, const T* input, FloatVector r,
                                  std::size_t j) {
  const std::size_t left = static_cast<std::size_t>(a.width) - j;
  auto z = load_lanes(input + j, left);
  if (a.norm) z = hn::Mul(z, r);
  if (a.gain != nullptr) z = hn::Mul(z, load_lanes(a.gain + j, left));
  return z;
}

// The largest |z| by its bits: integers order floats of one sign, infinities and NaNs on top.
template <class T>
float largest_magnitude(const BitQuantiseArgs<T>& a, const T* input, FloatVector r) {
  const FloatTag d;
  const IntTag di;
  auto largest = hn::Zero(di);
  for (std::size_t j = 0; j < static_cast<std::size_t>(a.width); j += hn::Lanes(d)) {
    largest = hn::Max(largest, hn::BitCast(di, hn::Abs(normalised(a, input, r, j))));
  }
  const std::int32_t bits = hn::GetLane(hn::MaxOfLanes(di, largest));
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

HWY_INLINE hn::Vec<IntTag> rounded(FloatVector scaled, RoundHalf rounding) {
  const FloatTag d;
  const IntTag di;
  if (rounding == RoundHalf::kEven) return hn::NearestInt(scaled);
  const auto whole = hn::Trunc(scaled);
  const auto up = hn::Ge(hn::Abs(hn::Sub(scaled, whole)), hn::Set(d, 0.5f));
  const auto one = hn::CopySign(hn::Set(d, 1.0f), scaled);
  return hn::ConvertTo(di, hn::Add(whole, hn::IfThenElseZero(up, one)));
}

template <class T>
void quantise_row(const BitQuantiseArgs<T>& a, std::int64_t row) {
  const FloatTag d;
  const IntTag di;
  const ByteTag bytes;
  const std::size_t width = static_cast<std::size_t>(a.width), step = hn::Lanes(d);
  const T* input = a.input + row * a.input_stride;
  std::int8_t* q = a.q + row * a.q_stride;
  float r = 1;
  if (a.norm) {
    const float inverse = 1.0f / static_cast<float>(a.width);
    r = 1.0f / std::sqrt(square_sum(input, width) * inverse + static_cast<float>(a.eps));
    a.rstd[row] = r;
  }
  const auto scale_up = hn::Set(d, r);
  float largest = largest_magnitude(a, input, scale_up);
  std::memset(q, 0, static_cast<std::size_t>(a.q_stride));
  a.sum[row] = 0;
  a.scale[row] = std::numeric_limits<float>::quiet_NaN();
  if (!std::isfinite(largest)) return;
  largest = largest > kTernaryFloor ? largest : kTernaryFloor;
  a.scale[row] = largest / 127.0f;

  const auto s = hn::Set(d, 127.0f / largest);
  const auto limit = hn::Set(di, 127), negative_limit = hn::Set(di, -127);
  auto sum = hn::Zero(di);
  for (std::size_t j = 0; j < width; j += step) {
    auto value = rounded(hn::Mul(normalised(a, input, scale_up, j), s), a.rounding);
    value = hn::Max(hn::Min(value, limit), negative_limit);
    sum = hn::Add(sum, value);  // lanes past the end are zero
    const auto narrow = hn::DemoteTo(bytes, value);
    if (width - j >= step) {
      hn::StoreU(narrow, bytes, q + j);
    } else {
      std::int8_t last[HWY_MAX_BYTES / sizeof(float)];
      hn::StoreU(narrow, bytes, last);
      std::memcpy(q + j, last, width - j);
    }
  }
  a.sum[row] = hn::GetLane(hn::SumOfLanes(di, sum));
}

// Highway's dispatch table takes plain functions.
void quantise_float(const BitQuantiseArgs<float>& a, std::int64_t row) { quantise_row(a, row); }
void quantise_bfloat16(const BitQuantiseArgs<BFloat16>& a, std::int64_t row) {
  quantise_row(a, row);
}

}  // namespace
}  // namespace peryton::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace peryton::kernels {
HWY_EXPORT(quantise_float);
HWY_EXPORT(quantise_bfloat16);

namespace cpu {
namespace {

constexpr std::int64_t kRowsPerTask = 8;

template <class T, class Row>
void run(const BitQuantiseArgs<T>& args, const Context& context, Row row) {
  parallel_blocks(context, args.rows, kRowsPerTask, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) row(args, i);
  });
}

}  // namespace

template <>
void bit_quantise(const BitQuantiseArgs<float>& args, const Context& context) {
  run(args, context, HWY_DYNAMIC_DISPATCH(quantise_float));
}
template <>
void bit_quantise(const BitQuantiseArgs<BFloat16>& args, const Context& context) {
  run(args, context, HWY_DYNAMIC_DISPATCH(quantise_bfloat16));
}

}  // namespace cpu
}  // namespace peryton::kernels
#endif
