// Ternary matrices T in {-1, 0, +1}, two bits per weight, in the layout T8x256:
//
//   code = T + 1 (padding has code 1); tile = 8 rows x 256 columns = 512 bytes;
//   order: [row tile][column tile][8 rows][64 bytes];
//   within the 64 bytes of a row, bits 2i..2i+1 of byte j hold the code of column 64 i + j.
//
// Quantisation of a weight matrix W (BitNet b1.58):
//   beta = max(mean |W|, 1e-5),  T = clip(round(W / beta), -1, 1),  W~ = beta T
// The mean is a sum of integers, so no way of cutting the matrix along tiles changes a bit of beta.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "kernels/common/context.h"
#include "kernels/common/dtype.h"
#include "kernels/ternary_pack/tile.h"

namespace peryton::kernels {

inline constexpr std::uint8_t kTernaryPadding = 0x55;  // four codes 1
inline constexpr float kTernaryFloor = 1e-5f;          // smallest scale, of weights and activations

struct TernaryShape {
  std::int64_t rows, columns;

  constexpr std::int64_t row_tiles() const { return divide_up(rows, kTernaryTileRows); }
  constexpr std::int64_t column_tiles() const { return divide_up(columns, kTernaryTileColumns); }
  constexpr std::int64_t padded_columns() const { return column_tiles() * kTernaryTileColumns; }
  constexpr std::int64_t row_tile_bytes() const { return column_tiles() * kTernaryTileBytes; }
  constexpr std::int64_t bytes() const { return row_tiles() * row_tile_bytes(); }
  // The byte that holds a code, and where in it.
  constexpr std::int64_t byte_of(std::int64_t row, std::int64_t column) const {
    const std::int64_t tile =
        row / kTernaryTileRows * column_tiles() + column / kTernaryTileColumns;
    return tile * kTernaryTileBytes + row % kTernaryTileRows * kTernaryTileRowBytes + column % 64;
  }
  static constexpr int shift_of(std::int64_t column) {
    return static_cast<int>(column % kTernaryTileColumns / 64 * 2);
  }
};

// Arithmetic of beta. kBFloat16 rounds the mean, its reciprocal and every product to bfloat16, as
// published inference in that dtype does; only for parity with it.
enum class TernaryScaleMode : std::uint8_t { kFloat32, kBFloat16 };

// A matrix [rows, columns] of floats with a row stride.
template <class T>
struct TernarySource {
  const T* weight;
  TernaryShape shape;
  std::int64_t stride;
};

// |W| summed in units of 2^-30: per tile in double and in a fixed order, rounded, then as integers.
inline constexpr int kTernarySumBits = 30;
inline constexpr std::int64_t kTernaryNotFinite = -1;  // a NaN, infinity or huge value was met

// beta and what W is compared with.
struct TernaryScale {
  float beta;        // W~ = beta T
  float reciprocal;  // kBFloat16: the rounded 1 / mean
  TernaryScaleMode mode;
};
// From the sum over all shards of a tensor and its number of elements without padding. A sum of
// kTernaryNotFinite gives a NaN.
TernaryScale ternary_scale(std::int64_t sum, std::int64_t count, TernaryScaleMode mode);

namespace cpu {

// `partial` is a workspace of shape.row_tiles() integers. For float and BFloat16.
template <class T>
std::int64_t ternary_absolute_sum(const TernarySource<T>& source, std::int64_t* partial,
                                  const Context& context);

// Quantises and packs into `packed`, source.shape.bytes() bytes. T = 1 exactly where W > beta / 2,
// which is where the correctly rounded W / beta rounds (half to even) to at least 1. For float and
// BFloat16.
template <class T>
void ternary_quantise(std::uint8_t* packed, const TernarySource<T>& source,
                      const TernaryScale& scale, const Context& context);

// From and to plain values [rows, columns] in {-1, 0, 1}.
void ternary_pack(std::uint8_t* packed, const std::int8_t* values, const TernaryShape& shape);
void ternary_unpack(std::int8_t* values, const std::uint8_t* packed, const TernaryShape& shape);

// out[r, c] = scale T[row + r, column + c] for a rectangle of `rows` x `columns`; out of range is
// the caller's error. For float, BFloat16 and double.
template <class T>
struct TernaryExpandArgs {
  T* output;
  std::int64_t output_stride;
  const std::uint8_t* packed;
  TernaryShape shape;
  std::int64_t row, rows, column, columns;
  compute_t<T> scale;
};
template <class T>
void ternary_expand(const TernaryExpandArgs<T>& args);

// The first byte with a code 3 or with padding that is not code 1; -1 if all is well.
std::int64_t ternary_first_invalid(const std::uint8_t* packed, const TernaryShape& shape);

}  // namespace cpu
}  // namespace peryton::kernels
