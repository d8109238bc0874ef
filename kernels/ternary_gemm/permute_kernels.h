// The integer product by lookups within registers, for many tokens: the 27 sums +-q +-q +-q of
// three columns of one token fit a register of 32 16-bit lanes, and VPERMW picks for 32 rows at
// once the sums that their weights name. A lookup and an addition do 96 products, where VPDPBUSD
// does 64.
//
// A tile of 256 columns has 86 groups of three: 64 of columns j, 64 + j, 128 + j, and 22 of
// neighbours from column 192 on, the last with column 255 alone. Entry number: c0 + 3 c1 + 9 c2,
// c = code. 16-bit sums take the columns of one tile, |256 * 127| < 2^15.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace peryton::kernels::ternary {

inline constexpr std::int64_t kPermuteLanes = 32;   // rows of a vector
inline constexpr std::int64_t kPermuteGroups = 86;  // of columns, in a tile
// What the inner loop holds in registers: 4 vectors of rows, 6 tokens.
inline constexpr std::int64_t kPermuteVectors = 4;
inline constexpr std::int64_t kPermuteTokens = 6;
inline constexpr std::int64_t kPermuteRows = kPermuteVectors * kPermuteLanes;

// Entry numbers: [column tile][row group of kPermuteRows][kPermuteGroups][kPermuteRows].
struct PermuteEntries {
  std::uint16_t* entries;  // 64-byte aligned
  std::int64_t row_groups, column_tiles;
  constexpr std::int64_t count() const {
    return column_tiles * row_groups * kPermuteGroups * kPermuteRows;
  }
};

// Fills the entries of the `vector`-th 32 rows from four row tiles, of which `row_tiles` are there;
// the rest is padding.
using FillEntries = void (*)(const PermuteEntries& to, const std::uint8_t* packed,
                             std::int64_t row_tile_bytes, std::int64_t row_tiles,
                             std::int64_t vector);

// sums[token][row] = sum of T q, for token_groups * kPermuteTokens tokens and all the rows.
struct PermuteBlock {
  PermuteEntries from;
  const std::int8_t* q;
  std::int64_t q_stride, token_groups;
  std::int32_t* sums;  // 64-byte aligned, of [..][from.row_groups * kPermuteRows]
};

struct PermuteKernels {
  FillEntries fill_entries;
  void (*block)(const PermuteBlock&);
};

const PermuteKernels* avx512_permute_kernels();

}  // namespace peryton::kernels::ternary
