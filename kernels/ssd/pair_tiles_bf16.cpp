// AVX512_BF16: VDPBF16PS adds two products of bfloat16 to a float lane, VCVTNE2PS2BF16 rounds two
// vectors. Called only where the processor has them.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/ssd/pair_tiles.h"

#ifdef __AVX512BF16__
#include <immintrin.h>

namespace peryton::kernels::cpu {
namespace {

constexpr int kLanes = 16;

// The first `count` lanes, which may be none or more than there are.
__mmask16 lanes_of(std::int64_t count) {
  if (count >= kLanes) return 0xffff;
  return count > 0 ? static_cast<__mmask16>((1u << count) - 1) : __mmask16{0};
}

__m512bh broadcast_pair(const Pair* from) {
  return reinterpret_cast<__m512bh>(_mm512_set1_epi32(static_cast<int>(*from)));
}

// kFull: the columns fill the vectors, so that the places of the sums are known.
template <int kRows, int kVectors, bool kFull>
void multiply_rows(const PairTile& t) {
  const std::int64_t columns = kFull ? kVectors * kLanes : t.columns;
  const std::int64_t row = t.row, column = t.column, pairs = t.pairs;
  float* const to = t.sums;
  __mmask16 lanes[kVectors];
  __m512 sums[kRows][kVectors];
#pragma GCC unroll 2
  for (int v = 0; v < kVectors; ++v) lanes[v] = kFull ? 0xffff : lanes_of(columns - v * kLanes);
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i) {
    const __m512 keep = _mm512_set1_ps(t.keep == nullptr ? 0 : t.keep[i * t.keep_step]);
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      sums[i][v] = _mm512_setzero_ps();
      if (t.keep == nullptr) continue;
      const float* from = to + i * columns + v * kLanes;
      sums[i][v] = _mm512_mul_ps(keep, _mm512_maskz_loadu_ps(lanes[v], from));
    }
  }
  const Pair *left = t.left, *right = t.right;
  for (std::int64_t p = 0; p < pairs; ++p, left += column, right += columns) {
    __m512bh b[kVectors];
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      b[v] = reinterpret_cast<__m512bh>(_mm512_maskz_loadu_epi32(lanes[v], right + v * kLanes));
    }
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
      const __m512bh a = broadcast_pair(left + i * row);
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) sums[i][v] = _mm512_dpbf16_ps(sums[i][v], a, b[v]);
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      _mm512_mask_storeu_ps(to + i * columns + v * kLanes, lanes[v], sums[i][v]);
    }
  }
}

template <int kRows>
void multiply_columns(const PairTile& t) {
  if (t.columns == 2 * kLanes) return multiply_rows<kRows, 2, true>(t);
  if (t.columns == kLanes) return multiply_rows<kRows, 1, true>(t);
  t.columns > kLanes ? multiply_rows<kRows, 2, false>(t) : multiply_rows<kRows, 1, false>(t);
}

void multiply(const PairTile& t) {
  if (t.rows == PairTile::kMaxRows) return multiply_columns<PairTile::kMaxRows>(t);
  PairTile rest = t;  // a few rows at the edge
  for (int i = 0; i < t.rows;) {
    const int rows = t.rows - i >= 4 ? 4 : t.rows - i >= 2 ? 2 : 1;
    rest.left = t.left + i * t.row;
    rest.sums = t.sums + i * t.columns;
    if (t.keep != nullptr) rest.keep = t.keep + i * t.keep_step;
    rows == 4   ? multiply_columns<4>(rest)
    : rows == 2 ? multiply_columns<2>(rest)
                : multiply_columns<1>(rest);
    i += rows;
  }
}

template <bool kScaled>
void pair_scaled_columns(const ColumnPairs& m) {
  for (std::int64_t i = 0; i < m.rows; ++i) {
    const float* from = m.from + i * m.from_row;
    const __m512 factor = _mm512_set1_ps(kScaled ? m.factors[i] : 1);
    Pair* to = m.to + i * m.to_row;
    for (std::int64_t j = 0; j < m.columns; j += 2 * kLanes, to += kLanes) {
      const std::int64_t left = m.columns - j;
      const __mmask16 first = lanes_of(left), second = lanes_of(left - kLanes);
      __m512 low = _mm512_maskz_loadu_ps(first, from + j);
      __m512 high = _mm512_maskz_loadu_ps(second, from + j + kLanes);
      if constexpr (kScaled) {
        low = _mm512_maskz_mul_ps(first, factor, low);
        high = _mm512_maskz_mul_ps(second, factor, high);
      }
      _mm512_mask_storeu_epi32(to, lanes_of(pairs_of(left)),
                               reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low)));
    }
  }
}

void pair_columns(const ColumnPairs& m) {
  m.factors == nullptr ? pair_scaled_columns<false>(m) : pair_scaled_columns<true>(m);
}

// Halves 0, 16, 1, 17, ...: lanes of two rounded vectors side by side.
__m512i interleaved(__m512 first, __m512 second) {
  const __m512i order = _mm512_add_epi32(
      _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
      _mm512_slli_epi32(
          _mm512_setr_epi32(16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31), 16));
  const __m512i halves = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(second, first));
  return _mm512_permutexvar_epi16(order, halves);
}

template <bool kScaled>
void pair_scaled_rows(const RowPairs& m) {
  for (std::int64_t i = 0; i < m.rows; i += 2) {
    const float *first = m.from + i * m.from_row, *second = first + m.from_row;
    const bool both = i + 1 < m.rows;
    Pair* to = m.to + i / 2 * m.line;
    for (std::int64_t j = 0; j < m.line; j += kLanes) {
      const __mmask16 lanes = lanes_of(m.columns - j), more = both ? lanes : __mmask16{0};
      __m512 low = _mm512_maskz_loadu_ps(lanes, first + j);
      __m512 high = _mm512_maskz_loadu_ps(more, second + j);
      if constexpr (kScaled) {
        low = _mm512_maskz_mul_ps(lanes, _mm512_set1_ps(m.factors[i]), low);
        if (both) high = _mm512_maskz_mul_ps(more, _mm512_set1_ps(m.factors[i + 1]), high);
      }
      _mm512_mask_storeu_epi32(to + j, lanes_of(m.line - j), interleaved(low, high));
    }
  }
}

void pair_rows(const RowPairs& m) {
  m.factors == nullptr ? pair_scaled_rows<false>(m) : pair_scaled_rows<true>(m);
}

}  // namespace

const PairTiles* avx512_pair_tiles() {
  static constexpr PairTiles tiles{"avx512-bf16", multiply, pair_columns, pair_rows};
  return &tiles;
}

}  // namespace peryton::kernels::cpu

#else

namespace peryton::kernels::cpu {
const PairTiles* avx512_pair_tiles() { return nullptr; }
}  // namespace peryton::kernels::cpu

#endif
