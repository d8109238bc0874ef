// Products of bfloat16 factors with float sums, for the scan: processors with bf16 dot products do
// them twice as fast as those of floats. Two depths of a line lie in one word, the first in its
// lower half, an odd depth filled up with a zero; what is a float in a matrix of floats is a pair
// here, and the depth is half. Only products read pairs: sums, and what they are scaled by, are
// float.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

namespace peryton::kernels::cpu {

using Pair = std::uint32_t;

constexpr std::int64_t pairs_of(std::int64_t depth) { return (depth + 1) / 2; }

// sums[i, j] = keep sums[i, j], or 0, and then for all pairs p, in order, the second products
// first:
//   sum = sum + second second';  sum = sum + first first'
// Subnormal numbers may count as zero.
struct PairTile {
  const Pair* left;  // pair p of row i at left[i * row + p * column]
  std::int64_t row, column;
  const Pair* right;  // [pairs, columns]
  std::int64_t pairs;
  int rows, columns;  // at most kMaxRows and kMaxColumns
  const float* keep;  // of row i at keep[i * keep_step]; or null: 0, and the sums are not read
  std::int64_t keep_step;
  float* sums;  // [rows, columns]

  static constexpr int kMaxRows = 8, kMaxColumns = 32;
};

// Pairs of two columns: to[i, p] = (from[i, 2p], from[i, 2p + 1]), each times factors[i].
struct ColumnPairs {
  const float* from;
  std::int64_t from_row, rows, columns;
  const float* factors;  // [rows], or null: 1
  Pair* to;              // [rows, pairs_of(columns)], rows `to_row` apart
  std::int64_t to_row;
};

// Pairs of two rows: to[p, j] = (factor[2p] from[2p, j], factor[2p + 1] from[2p + 1, j]), with
// zeros right of the columns up to `line`.
struct RowPairs {
  const float* from;
  std::int64_t from_row, rows, columns;
  const float* factors;  // [rows], or null: 1
  Pair* to;              // [pairs_of(rows), line]
  std::int64_t line;
};

// Numbers are rounded to nearest even, and stay NaN.
struct PairTiles {
  const char* name;
  void (*multiply)(const PairTile& tile);
  void (*pair_columns)(const ColumnPairs& matrix);
  void (*pair_rows)(const RowPairs& matrix);
};

// The definition, for tests on any processor.
const PairTiles* reference_pair_tiles();
// Null where the compiler or the architecture has none.
const PairTiles* avx512_pair_tiles();

// Those that this processor has and PERYTON_MAX_ISA allows, the best first; null at the end.
std::array<const PairTiles*, 2> available_pair_tiles();

}  // namespace peryton::kernels::cpu
