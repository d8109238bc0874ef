// AVX512_BF16: VDPBF16PS adds two products of bfloat16 to a float lane. Called only where the
// processor has it.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/gemm/pair_kernels.h"

#ifdef __AVX512BF16__
#include <immintrin.h>

#include <algorithm>

#include "kernels/common/context.h"

namespace peryton::kernels::cpu {
namespace {

constexpr int kRows = 12;  // 12 x 2 of 32 registers are sums
constexpr std::int64_t kLanes = 16, kColumns = 2 * kLanes;
constexpr std::int64_t kCacheLine = 32;  // halves

__m512bh load_pairs(const std::uint16_t* from) {
  return reinterpret_cast<__m512bh>(_mm512_loadu_si512(from));
}

__m512bh broadcast_pair(const std::uint16_t* from) {
  int pair;
  __builtin_memcpy(&pair, from, sizeof pair);
  return reinterpret_cast<__m512bh>(_mm512_set1_epi32(pair));
}

// Lanes of C that a tile reaches, the left and the right half of a row.
struct Columns {
  __mmask16 left, right;
};

Columns columns_of(std::int64_t count) {
  const std::uint32_t mask = count >= kColumns ? ~0u : (1u << count) - 1;
  return {static_cast<__mmask16>(mask), static_cast<__mmask16>(mask >> kLanes)};
}

__m512 finish(const PairProduct& p, __m512 sum, __mmask16 lanes, const float* bias,
              const float* c) {
  sum = _mm512_mul_ps(_mm512_set1_ps(p.alpha), sum);
  if (p.beta != 0) {
    sum = _mm512_fmadd_ps(_mm512_set1_ps(p.beta), _mm512_maskz_loadu_ps(lanes, c), sum);
  }
  if (bias != nullptr) sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(lanes, bias));
  return sum;
}

// Rows of C are needed only after the loop, and lie far apart.
void fetch_rows(const float* c, std::int64_t ldc, std::int64_t rows) {
  for (std::int64_t i = 0; i < rows; ++i) {
    for (const std::int64_t j : {std::int64_t{0}, kLanes, kColumns - 1}) {
      __builtin_prefetch(c + i * ldc + j, 1);
    }
  }
}

// One tile, kRows x kColumns or the part of it that C has: panels are filled up. `kFetchNext`: asks
// for the next panel of B meanwhile, as multiply_panels() does. `kPacked`: A is a panel. Rows of A
// go three by three, as there.
template <bool kFetchNext, bool kPacked>
void multiply_tile(const PairProduct& p, const std::uint16_t* a, const std::uint16_t* b,
                   const float* bias, float* c, std::int64_t rows, Columns columns) {
  __m512 left[kRows], right[kRows];
#pragma GCC unroll 12
  for (int i = 0; i < kRows; ++i) left[i] = right[i] = _mm512_setzero_ps();
  fetch_rows(c, p.ldc, std::min<std::int64_t>(kRows, rows));
  const std::uint16_t* groups[kRows / 3];
  const std::int64_t stride = kPacked ? 2 : p.a_stride;
#pragma GCC unroll 4
  for (int g = 0; g < kRows / 3; ++g) {
    groups[g] = a + 3 * g * stride;
    asm("" : "+r"(groups[g]));  // hides that one follows from another
  }
  for (std::int64_t k = 0; k < p.k; k += 2) {
    const __m512bh b_left = load_pairs(b), b_right = load_pairs(b + kColumns);
    if constexpr (kFetchNext) {
      __builtin_prefetch(b + kColumns * p.k, 0, 2);
      __builtin_prefetch(b + kColumns * p.k + kCacheLine, 0, 2);
    }
#pragma GCC unroll 12
    for (int i = 0; i < kRows; ++i) {
      const __m512bh pair = broadcast_pair(groups[i / 3] + i % 3 * stride);
      left[i] = _mm512_dpbf16_ps(left[i], pair, b_left);
      right[i] = _mm512_dpbf16_ps(right[i], pair, b_right);
    }
#pragma GCC unroll 4
    for (int g = 0; g < kRows / 3; ++g) groups[g] += kPacked ? 2 * kRows : 2;
    b += 2 * kColumns;
  }
#pragma GCC unroll 12
  for (int i = 0; i < kRows; ++i) {
    if (i == rows) return;
    float* row = c + i * p.ldc;
    _mm512_mask_storeu_ps(row, columns.left, finish(p, left[i], columns.left, bias, row));
    if (columns.right == 0) continue;
    const float* right_bias = bias == nullptr ? nullptr : bias + kLanes;
    _mm512_mask_storeu_ps(row + kLanes, columns.right,
                          finish(p, right[i], columns.right, right_bias, row + kLanes));
  }
}

// A panel of B stays in the first-level cache while the panels of A pass.
template <bool kPacked>
void multiply_all(const PairProduct& p) {
  const std::int64_t depth = round_up(p.b_depth == 0 ? p.k : p.b_depth, 2);
  const std::int64_t row = kPacked ? round_up(p.k, 2) : p.a_stride;
  for (std::int64_t j = 0; j < p.n; j += kColumns) {
    const Columns columns = columns_of(p.n - j);
    const float* bias = p.bias != nullptr ? p.bias + j : nullptr;
    for (std::int64_t i = 0; i < p.m; i += kRows) {
      const auto multiply = i == 0 ? multiply_tile<true, kPacked> : multiply_tile<false, kPacked>;
      multiply(p, p.a + i * row, p.b + j * depth, bias, p.c + i * p.ldc + j, p.m - i, columns);
    }
  }
}

void multiply_pairs(const PairProduct& p) {
  p.a_stride == 0 ? multiply_all<true>(p) : multiply_all<false>(p);
}

}  // namespace

const PairKernels* avx512_pair_kernels() {
  static constexpr PairKernels kernels{"avx512-bf16", {kRows, kColumns}, multiply_pairs};
  return &kernels;
}

}  // namespace peryton::kernels::cpu

#else

namespace peryton::kernels::cpu {
const PairKernels* avx512_pair_kernels() { return nullptr; }
}  // namespace peryton::kernels::cpu

#endif
