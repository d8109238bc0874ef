// SPDX-License-Identifier: Apache-2.0
#include <bit>

#include "kernels/common/dtype.h"
#include "kernels/gemm/gemm.h"
#include "kernels/ssd/pair_tiles.h"

namespace peryton::kernels::cpu {
namespace {

float first_of(Pair pair) { return std::bit_cast<float>(pair << 16); }
float second_of(Pair pair) { return std::bit_cast<float>(pair & 0xffff0000u); }
Pair make_pair(float first, float second) {
  return static_cast<Pair>(BFloat16(second).bits) << 16 | BFloat16(first).bits;
}

// The columns are the inner loop: with one sum at a time g++ 12 vectorises the pair's two additions
// from -O2 on, and gets them wrong.
void multiply(const PairTile& t) {
  for (int i = 0; i < t.rows; ++i) {
    float* sums = t.sums + i * t.columns;
    for (int j = 0; j < t.columns; ++j) {
      sums[j] = t.keep == nullptr ? 0.0f : t.keep[i * t.keep_step] * sums[j];
    }
    for (std::int64_t p = 0; p < t.pairs; ++p) {
      const Pair left = t.left[i * t.row + p * t.column];
      const float first = first_of(left), second = second_of(left);
      const Pair* right = t.right + p * t.columns;
      for (int j = 0; j < t.columns; ++j) {
        sums[j] = sums[j] + second * second_of(right[j]);
        sums[j] = sums[j] + first * first_of(right[j]);
      }
    }
  }
}

void pair_columns(const ColumnPairs& m) {
  for (std::int64_t i = 0; i < m.rows; ++i) {
    const auto at = [&](std::int64_t j) {
      if (j >= m.columns) return 0.0f;
      const float value = m.from[i * m.from_row + j];
      return m.factors == nullptr ? value : m.factors[i] * value;
    };
    for (std::int64_t j = 0; j < m.columns; j += 2) {
      m.to[i * m.to_row + j / 2] = make_pair(at(j), at(j + 1));
    }
  }
}

void pair_rows(const RowPairs& m) {
  const auto at = [&](std::int64_t i, std::int64_t j) {
    if (i >= m.rows || j >= m.columns) return 0.0f;
    const float value = m.from[i * m.from_row + j];
    return m.factors == nullptr ? value : m.factors[i] * value;
  };
  for (std::int64_t p = 0; p < pairs_of(m.rows); ++p) {
    for (std::int64_t j = 0; j < m.line; ++j) {
      m.to[p * m.line + j] = make_pair(at(2 * p, j), at(2 * p + 1, j));
    }
  }
}

}  // namespace

const PairTiles* reference_pair_tiles() {
  static constexpr PairTiles tiles{"reference", multiply, pair_columns, pair_rows};
  return &tiles;
}

std::array<const PairTiles*, 2> available_pair_tiles() {
  std::array<const PairTiles*, 2> found{};
  std::size_t count = 0;
  if (has_bf16_dots()) found[count++] = avx512_pair_tiles();
  found[count] = reference_pair_tiles();
  return found;
}

}  // namespace peryton::kernels::cpu
