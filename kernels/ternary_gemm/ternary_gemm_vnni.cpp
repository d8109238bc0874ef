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

template <int kPlane>
__m512i codes_of(__m512i packed) {
  const __m512i shifted = kPlane == 0 ? packed : _mm512_srli_epi16(packed, 2 * kPlane);
  return _mm512_and_si512(shifted, _mm512_set1_epi8(3));
}

// to[i] += the sum of the lanes of the i-th.
void add_sums(std::int32_t* to, __m512i a, __m512i b, __m512i c, __m512i d) {
  const __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
  const __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
  const __m512i all =
      _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
  const __m256i half =
      _mm256_add_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1));
  const __m128i quarter =
      _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
  auto* sums = reinterpret_cast<__m128i*>(to);
  _mm_storeu_si128(sums, _mm_add_epi32(_mm_loadu_si128(sums), quarter));
}

void unpack(const Block& a) {
  for (std::int64_t tile_row = 0; tile_row < a.row_tiles; ++tile_row) {
    const std::uint8_t* bytes = a.packed + tile_row * a.row_tile_bytes;
    std::uint8_t* codes = a.codes + tile_row * kTernaryTileRows * kBlockColumns;
    for (std::int64_t tile = 0; tile < a.column_tiles; ++tile) {
      for (int row = 0; row < kTernaryTileRows; ++row, bytes += kTernaryTileRowBytes) {
        std::uint8_t* to = codes + row * kBlockColumns + tile * kTernaryTileColumns;
        const __m512i packed = load(bytes);
        _mm512_store_si512(to, codes_of<0>(packed));
        _mm512_store_si512(to + 64, codes_of<1>(packed));
        _mm512_store_si512(to + 128, codes_of<2>(packed));
        _mm512_store_si512(to + 192, codes_of<3>(packed));
      }
    }
  }
}

// sums += codes * q, in the register where the sums are: with the intrinsic the compiler moves
// them about, or into memory.
void add_products(__m512i& sums, __m512i codes, __m512i q) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(codes), "v"(q));
}

constexpr int kDotRows = 4, kDotTokens = 6;  // 24 of 32 registers

template <int kTokens>
void dots(const std::uint8_t* codes, const std::int8_t* q, std::int64_t q_stride,
          std::int64_t columns, std::int32_t* sums) {
  __m512i lanes[kTokens][kDotRows];
#pragma GCC unroll 8
  for (int t = 0; t < kTokens; ++t) {
#pragma GCC unroll 8
    for (int r = 0; r < kDotRows; ++r) lanes[t][r] = _mm512_setzero_si512();
  }
  for (std::int64_t j = 0; j < columns; j += 64) {
    __m512i right[kTokens];
#pragma GCC unroll 8
    for (int t = 0; t < kTokens; ++t) right[t] = load(q + t * q_stride + j);
#pragma GCC unroll 8
    for (int r = 0; r < kDotRows; ++r) {
      const __m512i left = load(codes + r * kBlockColumns + j);
#pragma GCC unroll 8
      for (int t = 0; t < kTokens; ++t) {
        add_products(lanes[t][r], left, right[t]);
      }
    }
  }
#pragma GCC unroll 8
  for (int t = 0; t < kTokens; ++t) {
    add_sums(sums + t * kBlockRows, lanes[t][0], lanes[t][1], lanes[t][2], lanes[t][3]);
  }
}

void block(const Block& a) {
  unpack(a);
  const std::int64_t columns = a.column_tiles * kTernaryTileColumns;
  for (std::int64_t row = 0; row < a.row_tiles * kTernaryTileRows; row += kDotRows) {
    const std::uint8_t* codes = a.codes + row * kBlockColumns;
    std::int64_t t = 0;
    for (; t + kDotTokens <= a.tokens; t += kDotTokens) {
      dots<kDotTokens>(codes, a.q + t * a.q_stride, a.q_stride, columns,
                       a.sums + t * kBlockRows + row);
    }
    for (; t < a.tokens; ++t) {
      dots<1>(codes, a.q + t * a.q_stride, a.q_stride, columns, a.sums + t * kBlockRows + row);
    }
  }
}

// A line of the matrix in a register. Left to itself the compiler folds the load into each of the
// instructions that use it, and four loads wait for one line of memory.
__m512i load_once(const std::uint8_t* from) {
  __m512i line = load(from);
  asm("" : "+v"(line));
  return line;
}

// Bytes ahead of a tile to fetch one line of it into the second cache: the processor's own
// prefetching stops at pages, and the first line of a page is the slow one (its address has to be
// looked up). Fetching every line costs more than it gains, up to a third (Zen 4, measured).
constexpr int kPrefetch = 16384;

// Planes 1 and 3 stay where they are in their nibbles, two bits up, and are summed on their own:
// one shift for a line instead of three. The sums stay below 8 * 127 * 4 * 2 for a tile, all exact
// multiples of four.
void vector(const Vector& a) {
  __m512i low[kTernaryTileRows], high[kTernaryTileRows];
#pragma GCC unroll 8
  for (int row = 0; row < kTernaryTileRows; ++row) low[row] = high[row] = _mm512_setzero_si512();
  const __m512i low_bits = _mm512_set1_epi8(3), high_bits = _mm512_set1_epi8(12);
  const std::uint8_t* bytes = a.packed;
  const std::int8_t* q = a.q;
  for (std::int64_t tile = 0; tile < a.column_tiles; ++tile, q += kTernaryTileColumns) {
    const __m512i q0 = load(q), q1 = load(q + 64), q2 = load(q + 128), q3 = load(q + 192);
    _mm_prefetch(reinterpret_cast<const char*>(bytes) + kPrefetch, _MM_HINT_T1);
#pragma GCC unroll 8
    for (int row = 0; row < kTernaryTileRows; ++row, bytes += kTernaryTileRowBytes) {
      const __m512i first = load_once(bytes), second = _mm512_srli_epi16(first, 4);
      add_products(low[row], _mm512_and_si512(first, low_bits), q0);
      add_products(high[row], _mm512_and_si512(first, high_bits), q1);
      add_products(low[row], _mm512_and_si512(second, low_bits), q2);
      add_products(high[row], _mm512_and_si512(second, high_bits), q3);
    }
  }
#pragma GCC unroll 8
  for (int row = 0; row < kTernaryTileRows; ++row) {
    low[row] = _mm512_add_epi32(low[row], _mm512_srai_epi32(high[row], 2));
  }
  add_sums(a.sums, low[0], low[1], low[2], low[3]);
  add_sums(a.sums + 4, low[4], low[5], low[6], low[7]);
}

constexpr std::int64_t kVectorTokens = 12;

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
