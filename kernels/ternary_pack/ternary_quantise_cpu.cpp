// Scales of weight matrices, and their quantisation into the packed layout.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/ternary_pack/ternary_pack.h"

namespace peryton::kernels {

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

constexpr std::int64_t kLanes = 16;
// |w| = 16 everywhere: with it a matrix of 2^28 elements still sums to less than 2^63 units.
constexpr double kLargestTileSum = 16.0 * kTernaryTileRows * kTernaryTileColumns;

// Column c of a row goes to lane c mod 16, rows in order; the lanes are halved onto each other.
template <class T>
double tile_sum(const T* weight, std::int64_t stride, std::int64_t rows, std::int64_t columns) {
  double lanes[kLanes] = {};
  for (std::int64_t r = 0; r < rows; ++r) {
    const T* row = weight + r * stride;
    std::int64_t c = 0;
    for (; c + kLanes <= columns; c += kLanes) {
      for (std::int64_t l = 0; l < kLanes; ++l) {
        lanes[l] += std::abs(static_cast<double>(static_cast<float>(row[c + l])));
      }
    }
    for (std::int64_t l = 0; c + l < columns; ++l) {
      lanes[l] += std::abs(static_cast<double>(static_cast<float>(row[c + l])));
    }
  }
  for (std::int64_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::int64_t l = 0; l < half; ++l) lanes[l] += lanes[l + half];
  }
  return lanes[0];
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
  if (columns >= kTernaryTileColumns) {
    for (int j = 0; j < kTernaryTileRowBytes; ++j) {
      bytes[j] = static_cast<std::uint8_t>(code(row[j]) | code(row[64 + j]) << 2 |
                                           code(row[128 + j]) << 4 | code(row[192 + j]) << 6);
    }
    return;
  }
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
  std::uint8_t* bytes = packed + row_tile * a.shape.row_tile_bytes();
  for (std::int64_t column = 0; column < a.shape.columns; column += kTernaryTileColumns) {
    for (std::int64_t r = 0; r < kTernaryTileRows; ++r, bytes += kTernaryTileRowBytes) {
      const std::int64_t row = row_tile * kTernaryTileRows + r;
      const std::int64_t columns = row < a.shape.rows ? a.shape.columns - column : 0;
      pack_tile_row(bytes, columns > 0 ? a.weight + row * a.stride + column : nullptr, columns,
                    code);
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
