// The integer product by tables, for many tokens ("four Russians"): for each group of four columns
// the 81 sums +-q +-q +-q +-q of 32 tokens are put into a table, and every row of the matrix adds
// the entry that its four weights name. It takes a quarter of the additions, and no multiplication.
//
// A group is what one byte of the packed layout holds: columns j, 64 + j, 128 + j, 192 + j of a
// tile. Entry number: c0 + 3 c1 + 9 c2 + 27 c3, c = code. Tables of four groups (a quad) lie in the
// nearest cache while all rows pass. 16-bit sums take the 256 columns of a tile, |256 * 127| <
// 2^15.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "kernels/ternary_pack/tile.h"

namespace peryton::kernels::ternary {

inline constexpr std::int64_t kTableTokens = 32;
inline constexpr std::int64_t kTableRows = 1024;  // enough to pay for the tables
inline constexpr std::int64_t kTableEntries = 81;
inline constexpr std::int64_t kTableEntryBytes = 2 * kTableTokens;
inline constexpr std::int64_t kTileQuads = kTernaryTileRowBytes / 4;

// Where the rows' entries lie in the tables, in bytes: [column tile][quad][stride()][4 groups].
struct TableOffsets {
  std::uint16_t* offsets;
  std::int64_t rows, column_tiles;  // rows: a multiple of 8, at most kTableRows
  // A row's quads must not all fall into the same set of the cache.
  constexpr std::int64_t stride() const { return rows + 8; }
  constexpr std::int64_t count() const { return column_tiles * kTileQuads * stride() * 4; }
};

// Fills the offsets of row tile `tile` of those rows from its packed bytes.
using FillOffsets = void (*)(const TableOffsets& to, const std::uint8_t* packed, std::int64_t tile);

// sums[row][token] = sum of T q for 32 tokens; `scratch` is [rows][32], both 64-byte aligned.
struct TableBlock {
  TableOffsets from;
  const std::int8_t* q;
  std::int64_t q_stride;
  std::int32_t* sums;
  std::int16_t* scratch;
};

struct TableKernels {
  FillOffsets fill_offsets;
  void (*block)(const TableBlock&);
  // to[token][row] = from[row][token] for 8 rows.
  void (*transpose)(std::int32_t* to, const std::int32_t* from);
};

const TableKernels* avx2_table_kernels();

}  // namespace peryton::kernels::ternary
