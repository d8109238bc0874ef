// Scales of weight matrices, and their quantisation into the packed layout; the same bits with any
// vector width.
// SPDX-License-Identifier: Apache-2.0
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/ternary_pack/ternary_quantise_cpu.cpp"
#include "hwy/foreach_target.h"
// The per-target headers follow foreach_target.h.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "hwy/cache_control.h"
#include "hwy/highway.h"
#include "kernels/common/lanes-inl.h"
#include "kernels/ternary_pack/ternary_pack.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::HWY_NAMESPACE {
namespace {

constexpr std::int64_t kSumLanes = 16;
using DoubleTag = hn::CappedTag<double, kSumLanes>;
constexpr auto kDoubles = static_cast<std::int64_t>(hn::MaxLanes(DoubleTag()));
constexpr std::int64_t kSumVectors = kSumLanes / kDoubles;

HWY_INLINE hn::Vec<DoubleTag> load_doubles(const float* from) {
  const hn::Rebind<float, DoubleTag> narrow;
  return hn::PromoteTo(DoubleTag(), hn::LoadU(narrow, from));
}

HWY_INLINE hn::Vec<DoubleTag> load_doubles(const BFloat16* from) {
  const hn::Rebind<float, DoubleTag> narrow;
  const hn::Rebind<std::uint32_t, DoubleTag> words;
  const hn::Rebind<std::uint16_t, DoubleTag> halves;
  const auto bits = hn::LoadU(halves, reinterpret_cast<const std::uint16_t*>(from));
  const auto wide = hn::ShiftLeft<16>(hn::PromoteTo(words, bits));
  return hn::PromoteTo(DoubleTag(), hn::BitCast(narrow, wide));
}

// Sum of |w|: column c of a row goes to lane c mod 16, rows in order; the lanes are halved onto
// each other.
template <class T>
double tile_sum(const T* weight, std::int64_t stride, std::int64_t rows, std::int64_t columns) {
  const DoubleTag d;
  hn::Vec<DoubleTag> sums[kSumVectors];
  for (auto& sum : sums) sum = hn::Zero(d);
  for (std::int64_t r = 0; r < rows; ++r) {
    const T* row = weight + r * stride;
    std::int64_t c = 0;
    for (; c + kSumLanes <= columns; c += kSumLanes) {
      hwy::Prefetch(row + c + kTernaryTileColumns);  // of the next tile
      for (std::int64_t v = 0; v < kSumVectors; ++v) {
        sums[v] = hn::Add(sums[v], hn::Abs(load_doubles(row + c + v * kDoubles)));
      }
    }
    if (c == columns) continue;
    T last[kSumLanes] = {};  // adding zero changes nothing
    std::memcpy(last, row + c, static_cast<std::size_t>(columns - c) * sizeof(T));
    for (std::int64_t v = 0; v < kSumVectors; ++v) {
      sums[v] = hn::Add(sums[v], hn::Abs(load_doubles(last + v * kDoubles)));
    }
  }
  HWY_ALIGN double lanes[kSumLanes];
  for (std::int64_t v = 0; v < kSumVectors; ++v) hn::Store(sums[v], d, lanes + v * kDoubles);
  for (std::int64_t half = kSumLanes / 2; half > 0; half /= 2) {
    for (std::int64_t l = 0; l < half; ++l) lanes[l] += lanes[l + half];
  }
  return lanes[0];
}

double tile_sum_float(const float* weight, std::int64_t stride, std::int64_t rows,
                      std::int64_t columns) {
  return tile_sum(weight, stride, rows, columns);
}
double tile_sum_bfloat16(const BFloat16* weight, std::int64_t stride, std::int64_t rows,
                         std::int64_t columns) {
  return tile_sum(weight, stride, rows, columns);
}

// 64 bytes of 256 weights: a code is 1, one more above `half`, one less below -half.
template <class T>
HWY_INLINE void pack_whole_row(std::uint8_t* bytes, const T* row, float half) {
  const FloatTag d;
  const hn::RebindToUnsigned<FloatTag> words;
  const hn::Rebind<std::uint8_t, FloatTag> narrow;
  const auto above = hn::Set(d, half), below = hn::Set(d, -half);
  for (std::size_t j = 0; j < kTernaryTileRowBytes; j += hn::Lanes(d)) {
    auto codes = hn::Set(words, kTernaryPadding);
    for (std::uint32_t plane = 0; plane < 4; ++plane) {
      const auto w = load_full(row + 64 * plane + j);
      const auto unit = hn::Set(words, 1u << 2 * plane);
      const auto more = hn::RebindMask(words, hn::Gt(w, above));
      const auto less = hn::RebindMask(words, hn::Lt(w, below));
      codes = hn::Add(codes, hn::IfThenElseZero(more, unit));
      codes = hn::Sub(codes, hn::IfThenElseZero(less, unit));
    }
    hn::StoreU(hn::TruncateTo(narrow, codes), narrow, bytes + j);
  }
}

void pack_row_float(std::uint8_t* bytes, const float* row, float half) {
  pack_whole_row(bytes, row, half);
}
void pack_row_bfloat16(std::uint8_t* bytes, const BFloat16* row, float half) {
  pack_whole_row(bytes, row, half);
}

}  // namespace
}  // namespace peryton::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace peryton::kernels {
HWY_EXPORT(tile_sum_float);
HWY_EXPORT(tile_sum_bfloat16);
HWY_EXPORT(pack_row_float);
HWY_EXPORT(pack_row_bfloat16);

TernaryScale ternary_scale(std::int64_t sum, std::int64_t count, TernaryScaleMode mode) {
  if (sum < 0) {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    return {nan, nan, mode};
  }
  const double mean = std::ldexp(static_cast<double>(sum), -kTernarySumBits) /
                      static_cast<double>(std::max<std::int64_t>(count, 1));
  if (mode == TernaryScaleMode::kFloat32) {
    const float beta = std::max(static_cast<float>(mean), kTernaryFloor);
    return {beta, 1.0f / beta, mode};
  }
  const float rounded =
      BFloat16(std::max(float{BFloat16(static_cast<float>(mean))}, float{BFloat16(kTernaryFloor)}));
  const float reciprocal = BFloat16(1.0f / rounded);
  return {BFloat16(1.0f / reciprocal), reciprocal, mode};
}

namespace cpu {
namespace {

// |w| = 16 everywhere: with it a matrix of 2^28 elements still sums to less than 2^63 units.
constexpr double kLargestTileSum = 16.0 * kTernaryTileRows * kTernaryTileColumns;

double tile_sum(const float* weight, std::int64_t stride, std::int64_t rows, std::int64_t columns) {
  return HWY_DYNAMIC_DISPATCH(tile_sum_float)(weight, stride, rows, columns);
}
double tile_sum(const BFloat16* weight, std::int64_t stride, std::int64_t rows,
                std::int64_t columns) {
  return HWY_DYNAMIC_DISPATCH(tile_sum_bfloat16)(weight, stride, rows, columns);
}

template <class T>
std::int64_t row_tile_sum(const TernarySource<T>& a, std::int64_t row_tile) {
  const std::int64_t row = row_tile * kTernaryTileRows;
  const std::int64_t rows = std::min(kTernaryTileRows, a.shape.rows - row);
  std::int64_t sum = 0;
  for (std::int64_t column = 0; column < a.shape.columns; column += kTernaryTileColumns) {
    const std::int64_t columns = std::min(kTernaryTileColumns, a.shape.columns - column);
    const double part = tile_sum(a.weight + row * a.stride + column, a.stride, rows, columns);
    if (!(part <= kLargestTileSum)) return kTernaryNotFinite;
    sum += std::llrint(std::ldexp(part, kTernarySumBits));
  }
  return sum;
}

}  // namespace

template <class T>
std::int64_t ternary_absolute_sum(const TernarySource<T>& source, std::int64_t* partial,
                                  const Context& context) {
  parallel_for(context, source.shape.row_tiles(),
               [&](std::int64_t tile) { partial[tile] = row_tile_sum(source, tile); });
  std::int64_t sum = 0;
  for (std::int64_t tile = 0; tile < source.shape.row_tiles(); ++tile) {
    if (partial[tile] < 0) return kTernaryNotFinite;
    if (sum > std::numeric_limits<std::int64_t>::max() - partial[tile]) return kTernaryNotFinite;
    sum += partial[tile];
  }
  return sum;
}

namespace {

void pack_whole_row(std::uint8_t* bytes, const float* row, float half) {
  HWY_DYNAMIC_DISPATCH(pack_row_float)(bytes, row, half);
}
void pack_whole_row(std::uint8_t* bytes, const BFloat16* row, float half) {
  HWY_DYNAMIC_DISPATCH(pack_row_bfloat16)(bytes, row, half);
}

struct ExactCode {
  float half;
  int operator()(float w) const { return 1 + (w > half) - (w < -half); }
};

struct BFloat16Code {
  float reciprocal;
  int operator()(float w) const {
    const float scaled = BFloat16(w * reciprocal);
    return 1 + (scaled > 0.5f) - (scaled < -0.5f);
  }
};

// 64 bytes: one row of one tile. `columns` of the 256 exist.
template <class T, class Code>
void pack_tile_row(std::uint8_t* bytes, const T* row, std::int64_t columns, Code code) {
  if constexpr (std::is_same_v<Code, ExactCode>) {
    if (columns >= kTernaryTileColumns) return pack_whole_row(bytes, row, code.half);
  }
  columns = std::min(columns, kTernaryTileColumns);
  std::memset(bytes, kTernaryPadding, kTernaryTileRowBytes);
  for (std::int64_t c = 0; c < columns; ++c) {
    const int shift = TernaryShape::shift_of(c);
    std::uint8_t& byte = bytes[c % 64];
    byte = static_cast<std::uint8_t>((byte & ~(3 << shift)) | code(row[c]) << shift);
  }
}

template <class T, class Code>
void pack_row_tile(std::uint8_t* packed, const TernarySource<T>& a, std::int64_t row_tile,
                   Code code) {
  // Row after row, as memory is read fastest.
  for (std::int64_t r = 0; r < kTernaryTileRows; ++r) {
    const std::int64_t row = row_tile * kTernaryTileRows + r;
    std::uint8_t* bytes = packed + row_tile * a.shape.row_tile_bytes() + r * kTernaryTileRowBytes;
    for (std::int64_t column = 0; column < a.shape.columns; column += kTernaryTileColumns) {
      const std::int64_t columns = row < a.shape.rows ? a.shape.columns - column : 0;
      pack_tile_row(bytes, columns > 0 ? a.weight + row * a.stride + column : nullptr, columns,
                    code);
      bytes += kTernaryTileBytes;
    }
  }
}

}  // namespace

template <class T>
void ternary_quantise(std::uint8_t* packed, const TernarySource<T>& source,
                      const TernaryScale& scale, const Context& context) {
  parallel_for(context, source.shape.row_tiles(), [&](std::int64_t tile) {
    if (scale.mode == TernaryScaleMode::kBFloat16) {
      pack_row_tile(packed, source, tile, BFloat16Code{scale.reciprocal});
    } else {
      pack_row_tile(packed, source, tile, ExactCode{0.5f * scale.beta});
    }
  });
}

#define PERYTON_INSTANTIATE(T)                                                                   \
  template std::int64_t ternary_absolute_sum<T>(const TernarySource<T>&, std::int64_t*,          \
                                                const Context&);                                 \
  template void ternary_quantise<T>(std::uint8_t*, const TernarySource<T>&, const TernaryScale&, \
                                    const Context&);
PERYTON_INSTANTIATE(float)
PERYTON_INSTANTIATE(BFloat16)
#undef PERYTON_INSTANTIATE

}  // namespace cpu
}  // namespace peryton::kernels
#endif
