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

// One vector of pairs, as far as there are columns.
void pair_some_columns(const float* from, std::int64_t count, __m512 factor, Pair* to) {
  const __mmask16 first = lanes_of(count), second = lanes_of(count - kLanes);
  const __m512 low = _mm512_maskz_mul_ps(first, factor, _mm512_maskz_loadu_ps(first, from));
  const __m512 high =
      _mm512_maskz_mul_ps(second, factor, _mm512_maskz_loadu_ps(second, from + kLanes));
  _mm512_mask_storeu_epi32(to, lanes_of(pairs_of(count)),
                           reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low)));
}

void pair_columns(const ColumnPairs& m) {
  for (std::int64_t i = 0; i < m.rows; ++i) {
    const float* from = m.from + i * m.from_row;
    const __m512 factor = _mm512_set1_ps(m.factors == nullptr ? 1 : m.factors[i]);
    Pair* to = m.to + i * m.to_row;
    std::int64_t j = 0;
    for (; j + 2 * kLanes <= m.columns; j += 2 * kLanes, to += kLanes) {
      const __m512 low = _mm512_mul_ps(factor, _mm512_loadu_ps(from + j));
      const __m512 high = _mm512_mul_ps(factor, _mm512_loadu_ps(from + j + kLanes));
      _mm512_storeu_si512(to, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low)));
    }
    if (j < m.columns) pair_some_columns(from + j, m.columns - j, factor, to);
  }
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

// Two rows that may end before the line does; the second may be missing.
void pair_some_rows(const RowPairs& m, std::int64_t i, __m512 first, __m512 second) {
  const float *from = m.from + i * m.from_row, *below = from + m.from_row;
  for (std::int64_t j = 0; j < m.line; j += kLanes) {
    const __mmask16 lanes = lanes_of(m.columns - j), more = i + 1 < m.rows ? lanes : __mmask16{0};
    const __m512 low = _mm512_maskz_mul_ps(lanes, first, _mm512_maskz_loadu_ps(lanes, from + j));
    const __m512 high = _mm512_maskz_mul_ps(more, second, _mm512_maskz_loadu_ps(more, below + j));
    _mm512_mask_storeu_epi32(m.to + i / 2 * m.line + j, lanes_of(m.line - j),
                             interleaved(low, high));
  }
}

void pair_rows(const RowPairs& m) {
  const bool full = m.columns == m.line && m.line % kLanes == 0;
  for (std::int64_t i = 0; i < m.rows; i += 2) {
    const bool both = i + 1 < m.rows;
    const __m512 first = _mm512_set1_ps(m.factors == nullptr ? 1 : m.factors[i]);
    const __m512 second = _mm512_set1_ps(m.factors == nullptr || !both ? 1 : m.factors[i + 1]);
    if (!full || !both) {
      pair_some_rows(m, i, first, second);
      continue;
    }
    const float *from = m.from + i * m.from_row, *below = from + m.from_row;
    Pair* to = m.to + i / 2 * m.line;
    for (std::int64_t j = 0; j < m.line; j += kLanes) {
      _mm512_storeu_si512(to + j, interleaved(_mm512_mul_ps(first, _mm512_loadu_ps(from + j)),
                                              _mm512_mul_ps(second, _mm512_loadu_ps(below + j))));
    }
  }
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
