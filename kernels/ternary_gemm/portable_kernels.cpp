// Plain C++: what runs where no faster path does.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/ternary_gemm/block_kernels.h"

namespace peryton::kernels::ternary {
namespace {

void unpack_tile_row(std::uint8_t* codes, const std::uint8_t* bytes) {
  for (int plane = 0; plane < 4; ++plane) {
    for (int j = 0; j < kTernaryTileRowBytes; ++j) {
      codes[64 * plane + j] = bytes[j] >> 2 * plane & 3;
    }
  }
}

std::int32_t dot(const std::uint8_t* codes, const std::int8_t* q, std::int64_t count) {
  std::int32_t sum = 0;
  for (std::int64_t j = 0; j < count; ++j) sum += std::int16_t{codes[j]} * std::int16_t{q[j]};
  return sum;
}

void block(const Block& a) {
  const std::int64_t columns = a.column_tiles * kTernaryTileColumns;
  for (std::int64_t row = 0; row < a.row_tiles * kTernaryTileRows; ++row) {
    const std::uint8_t* bytes = a.packed + row / kTernaryTileRows * a.row_tile_bytes +
                                row % kTernaryTileRows * kTernaryTileRowBytes;
    std::uint8_t* codes = a.codes;
    for (std::int64_t tile = 0; tile < a.column_tiles; ++tile) {
      unpack_tile_row(codes + tile * kTernaryTileColumns, bytes + tile * kTernaryTileBytes);
    }
    for (std::int64_t token = 0; token < a.tokens; ++token) {
      a.sums[token * kBlockRows + row] += dot(codes, a.q + token * a.q_stride, columns);
    }
  }
}

void vector(const Vector& a) {
  std::uint8_t codes[kTernaryTileColumns];
  const std::uint8_t* bytes = a.packed;
  for (std::int64_t tile = 0; tile < a.column_tiles; ++tile) {
    const std::int8_t* q = a.q + tile * kTernaryTileColumns;
    for (int row = 0; row < kTernaryTileRows; ++row, bytes += kTernaryTileRowBytes) {
      unpack_tile_row(codes, bytes);
      a.sums[row] += dot(codes, q, kTernaryTileColumns);
    }
  }
}

}  // namespace

const Kernels* portable_kernels() {
  static constexpr Kernels kernels{"portable", 1, block, vector, nullptr, nullptr};
  return &kernels;
}

}  // namespace peryton::kernels::ternary
