// AVX-512 VNNI: VPDPBUSD adds four products of codes and signed bytes to a 32-bit lane, without
// saturation. Tests run it only where the processor has it.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/ternary_gemm/block_kernels.h"
#include "kernels/ternary_gemm/permute_kernels.h"

#ifdef __AVX512VNNI__
#include <immintrin.h>

namespace peryton::kernels::ternary {
namespace {

__m512i load(const void* from) { return _mm512_loadu_si512(from); }

// The sums of the lanes of each.
__m128i lane_sums(__m512i a, __m512i b, __m512i c, __m512i d) {
  const __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
  const __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
  const __m512i all =
      _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
  const __m256i half =
      _mm256_add_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1));
  return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

// sums += codes * q, in the register where the sums are: with the intrinsic the compiler moves
// them about, or into memory.
void add_products(__m512i& sums, __m512i codes, __m512i q) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(codes), "v"(q));
}

// A line of the matrix in a register. Left to itself the compiler folds the load into each of the
// instructions that use it, and four loads wait for one line of memory.
__m512i load_once(const std::uint8_t* from) {
  __m512i line = load(from);
  asm("" : "+v"(line));
  return line;
}

// Codes of planes 0 and 1 (of a line shifted by four bits: 2 and 3). The upper ones stay where they
// are, fourfold, and so do their sums, in lanes of their own: one shift for a line instead of
// three. A lane takes eight products of at most 8 * 127 a tile: less than 2^23 in
// kTernaryMaxColumns.
struct Planes {
  __m512i low, high;
};

Planes planes_of(__m512i line) {
  return {_mm512_and_si512(line, _mm512_set1_epi8(3)),
          _mm512_and_si512(line, _mm512_set1_epi8(12))};
}

__m512i whole_sums(__m512i low, __m512i high) {
  return _mm512_add_epi32(low, _mm512_srai_epi32(high, 2));
}

constexpr int kDotRows = 2, kDotTokens = 6;  // 24 sums in 32 registers

// Two rows of one row tile against kTokens tokens.
template <int kTokens>
void dots(const std::uint8_t* packed, std::int64_t column_tiles, const std::int8_t* q,
          std::int64_t q_stride, std::int32_t* sums) {
  __m512i low[kTokens][kDotRows], high[kTokens][kDotRows];
#pragma GCC unroll 8
  for (int t = 0; t < kTokens; ++t) {
#pragma GCC unroll 8
    for (int r = 0; r < kDotRows; ++r) low[t][r] = high[t][r] = _mm512_setzero_si512();
  }
  for (std::int64_t tile = 0; tile < column_tiles; ++tile) {
    __m512i lines[kDotRows] = {load_once(packed), load_once(packed + kTernaryTileRowBytes)};
#pragma GCC unroll 2
    for (int pair = 0; pair < 2; ++pair, q += 128) {
      const Planes first = planes_of(lines[0]), second = planes_of(lines[1]);
#pragma GCC unroll 8
      for (int t = 0; t < kTokens; ++t) {
        const __m512i right = load(q + t * q_stride), next = load(q + t * q_stride + 64);
        add_products(low[t][0], first.low, right);
        add_products(low[t][1], second.low, right);
        add_products(high[t][0], first.high, next);
        add_products(high[t][1], second.high, next);
      }
      for (__m512i& line : lines) line = _mm512_srli_epi16(line, 4);
    }
    packed += kTernaryTileBytes;
  }
#pragma GCC unroll 8
  for (int t = 0; t < kTokens; t += 2) {  // and u, the next one, if there is one
    const int u = t + 1 < kTokens ? t + 1 : t;
    const __m128i four =
        lane_sums(whole_sums(low[t][0], high[t][0]), whole_sums(low[t][1], high[t][1]),
                  whole_sums(low[u][0], high[u][0]), whole_sums(low[u][1], high[u][1]));
    auto* to = reinterpret_cast<__m128i*>(sums + t * kBlockRows);
    _mm_storel_epi64(to, _mm_add_epi32(_mm_loadl_epi64(to), four));
    if (u == t) break;
    to = reinterpret_cast<__m128i*>(sums + u * kBlockRows);
    _mm_storel_epi64(to, _mm_add_epi32(_mm_loadl_epi64(to), _mm_unpackhi_epi64(four, four)));
  }
}

// `count` tokens, at most kTokens, against all rows of the block.
template <int kTokens>
void multiply_rows(const Block& a, std::int64_t token, std::int64_t count) {
  if constexpr (kTokens > 1) {
    if (count < kTokens) return multiply_rows<kTokens - 1>(a, token, count);
  }
  for (std::int64_t row = 0; row < a.row_tiles * kTernaryTileRows; row += kDotRows) {
    const std::uint8_t* packed = a.packed + row / kTernaryTileRows * a.row_tile_bytes +
                                 row % kTernaryTileRows * kTernaryTileRowBytes;
    dots<kTokens>(packed, a.column_tiles, a.q + token * a.q_stride, a.q_stride,
                  a.sums + token * kBlockRows + row);
  }
}

void block(const Block& a) {
  for (std::int64_t token = 0; token < a.tokens; token += kDotTokens) {
    multiply_rows<kDotTokens>(a, token, a.tokens - token);
  }
}

// Bytes ahead of a tile to fetch one line of it into the second cache: the processor's own
// prefetching stops at pages, and the first line of a page is the slow one (its address has to be
// looked up). Fetching every line costs more than it gains, up to a third (Zen 4, measured).
constexpr int kPrefetch = 16384;

void vector(const Vector& a) {
  __m512i low[kTernaryTileRows], high[kTernaryTileRows];
#pragma GCC unroll 8
  for (int row = 0; row < kTernaryTileRows; ++row) low[row] = high[row] = _mm512_setzero_si512();
  const std::uint8_t* bytes = a.packed;
  const std::int8_t* q = a.q;
  for (std::int64_t tile = 0; tile < a.column_tiles; ++tile, q += kTernaryTileColumns) {
    const __m512i q0 = load(q), q1 = load(q + 64), q2 = load(q + 128), q3 = load(q + 192);
    _mm_prefetch(reinterpret_cast<const char*>(bytes) + kPrefetch, _MM_HINT_T1);
#pragma GCC unroll 8
    for (int row = 0; row < kTernaryTileRows; ++row, bytes += kTernaryTileRowBytes) {
      const __m512i line = load_once(bytes);
      const Planes first = planes_of(line), second = planes_of(_mm512_srli_epi16(line, 4));
      add_products(low[row], first.low, q0);
      add_products(high[row], first.high, q1);
      add_products(low[row], second.low, q2);
      add_products(high[row], second.high, q3);
    }
  }
#pragma GCC unroll 2
  for (int r = 0; r < kTernaryTileRows; r += 4) {
    const __m128i four =
        lane_sums(whole_sums(low[r], high[r]), whole_sums(low[r + 1], high[r + 1]),
                  whole_sums(low[r + 2], high[r + 2]), whole_sums(low[r + 3], high[r + 3]));
    auto* to = reinterpret_cast<__m128i*>(a.sums + r);
    _mm_storeu_si128(to, _mm_add_epi32(_mm_loadu_si128(to), four));
  }
}

constexpr std::int64_t kVectorTokens = 2;

}  // namespace

const Kernels* vnni_kernels() {
  static constexpr Kernels kernels{"avx512-vnni", kVectorTokens, block, vector, nullptr, nullptr};
  return &kernels;
}

const Kernels* vnni_permute_kernels() {
  static constexpr Kernels kernels{"avx512-vnni-permute", kVectorTokens, block, vector, nullptr,
                                   avx512_permute_kernels};
  return &kernels;
}

}  // namespace peryton::kernels::ternary

#else

namespace peryton::kernels::ternary {
const Kernels* vnni_kernels() { return nullptr; }
const Kernels* vnni_permute_kernels() { return nullptr; }
}  // namespace peryton::kernels::ternary

#endif
