// AVX2: VPMADDUBSW multiplies 32 codes by 32 signed bytes into 16 pair sums of at most 508, which
// are added in 16-bit lanes. A lane takes 64 of them (32512) and is then widened; one more could
// overflow.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/ternary_gemm/block_kernels.h"
#include "kernels/ternary_gemm/table_kernels.h"

#ifdef __AVX2__
#include <immintrin.h>

namespace peryton::kernels::ternary {
namespace {

__m256i load(const void* from) { return _mm256_loadu_si256(static_cast<const __m256i*>(from)); }

// The codes of one plane as bytes.
template <int kPlane>
__m256i codes_of(__m256i packed) {
  const __m256i shifted = kPlane == 0 ? packed : _mm256_srli_epi16(packed, 2 * kPlane);
  return _mm256_and_si256(shifted, _mm256_set1_epi8(3));
}

// Pairs of 16-bit lanes to 32 bits.
__m256i widen(__m256i sums) { return _mm256_madd_epi16(sums, _mm256_set1_epi16(1)); }

std::int32_t add_lanes(__m256i sums) {
  __m128i half = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
  half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4e));
  half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0xb1));
  return _mm_cvtsi128_si32(half);
}

void unpack_tile_row(std::uint8_t* codes, const std::uint8_t* bytes) {
  for (int half = 0; half < 64; half += 32) {
    const __m256i packed = load(bytes + half);
    auto* to = reinterpret_cast<__m256i*>(codes + half);
    _mm256_store_si256(to, codes_of<0>(packed));
    _mm256_store_si256(to + 2, codes_of<1>(packed));
    _mm256_store_si256(to + 4, codes_of<2>(packed));
    _mm256_store_si256(to + 6, codes_of<3>(packed));
  }
}

void unpack(const Block& a) {
  for (std::int64_t tile_row = 0; tile_row < a.row_tiles; ++tile_row) {
    const std::uint8_t* bytes = a.packed + tile_row * a.row_tile_bytes;
    std::uint8_t* codes = a.codes + tile_row * kTernaryTileRows * kBlockColumns;
    for (std::int64_t tile = 0; tile < a.column_tiles; ++tile) {
      for (int row = 0; row < kTernaryTileRows; ++row, bytes += kTernaryTileRowBytes) {
        unpack_tile_row(codes + row * kBlockColumns + tile * kTernaryTileColumns, bytes);
      }
    }
  }
}

// Four vectors of 32-bit lanes to their four sums.
__m128i add_lanes(__m256i a, __m256i b, __m256i c, __m256i d) {
  const __m256i all = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
  return _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
}

// sums += pairs, in the order of the source and in the register where the sums are: left to itself
// the compiler reorders until it needs more registers than there are.
void add_in_place(__m256i& sums, __m256i pairs) {
  asm volatile("vpaddw %1, %0, %0" : "+x"(sums) : "x"(pairs));
}

constexpr int kDotRows = 4;

// Four rows of codes against kTokens tokens. With three the pair sums take twelve registers.
template <int kTokens>
void dots(const std::uint8_t* codes, const std::int8_t* q, std::int64_t q_stride,
          std::int64_t columns, std::int32_t* sums) {
  __m256i pairs[kTokens][kDotRows];
#pragma GCC unroll 3
  for (auto& token : pairs) {
#pragma GCC unroll 4
    for (auto& pair : token) pair = _mm256_setzero_si256();
  }
  for (std::int64_t j = 0; j < columns; j += 32) {
    __m256i right[kTokens];
#pragma GCC unroll 3
    for (int t = 0; t < kTokens; ++t) right[t] = load(q + t * q_stride + j);
#pragma GCC unroll 4
    for (int r = 0; r < kDotRows; ++r) {
      const __m256i left = load(codes + r * kBlockColumns + j);
#pragma GCC unroll 3
      for (int t = 0; t < kTokens; ++t) {
        add_in_place(pairs[t][r], _mm256_maddubs_epi16(left, right[t]));
      }
    }
  }
#pragma GCC unroll 3
  for (int t = 0; t < kTokens; ++t) {
    auto* to = reinterpret_cast<__m128i*>(sums + t * kBlockRows);
    const __m128i four =
        add_lanes(widen(pairs[t][0]), widen(pairs[t][1]), widen(pairs[t][2]), widen(pairs[t][3]));
    _mm_storeu_si128(to, _mm_add_epi32(_mm_loadu_si128(to), four));
  }
}

void block(const Block& a) {
  unpack(a);
  const std::int64_t columns = a.column_tiles * kTernaryTileColumns;
  for (std::int64_t row = 0; row < a.row_tiles * kTernaryTileRows; row += kDotRows) {
    const std::uint8_t* codes = a.codes + row * kBlockColumns;
    std::int32_t* sums = a.sums + row;
    std::int64_t t = 0;
    for (; t + 3 <= a.tokens; t += 3) {
      dots<3>(codes, a.q + t * a.q_stride, a.q_stride, columns, sums + t * kBlockRows);
    }
    for (; t < a.tokens; ++t) {
      dots<1>(codes, a.q + t * a.q_stride, a.q_stride, columns, sums + t * kBlockRows);
    }
  }
}

// One row of one tile: 8 pair sums for each lane.
__m256i add_tile_row(__m256i pairs, const std::uint8_t* bytes, const std::int8_t* q) {
  for (int half = 0; half < 64; half += 32) {
    const __m256i packed = load(bytes + half);
    const std::int8_t* right = q + half;
    const __m256i a = _mm256_add_epi16(_mm256_maddubs_epi16(codes_of<0>(packed), load(right)),
                                       _mm256_maddubs_epi16(codes_of<1>(packed), load(right + 64)));
    const __m256i b =
        _mm256_add_epi16(_mm256_maddubs_epi16(codes_of<2>(packed), load(right + 128)),
                         _mm256_maddubs_epi16(codes_of<3>(packed), load(right + 192)));
    pairs = _mm256_add_epi16(pairs, _mm256_add_epi16(a, b));
  }
  return pairs;
}

// Bytes ahead: the processor's own prefetching stops at every page.
constexpr int kPrefetch = 4096;

void vector(const Vector& a) {
  const std::uint8_t* bytes = a.packed;
  const std::int8_t* q = a.q;
  for (std::int64_t left = a.column_tiles; left > 0; left -= kBlockColumnTiles) {
    __m256i pairs[kTernaryTileRows];
    for (auto& row : pairs) row = _mm256_setzero_si256();
    const std::int64_t tiles = left < kBlockColumnTiles ? left : kBlockColumnTiles;
    for (std::int64_t tile = 0; tile < tiles; ++tile, q += kTernaryTileColumns) {
#pragma GCC unroll 8
      for (int row = 0; row < kTernaryTileRows; ++row, bytes += kTernaryTileRowBytes) {
        _mm_prefetch(reinterpret_cast<const char*>(bytes) + kPrefetch, _MM_HINT_T0);
        pairs[row] = add_tile_row(pairs[row], bytes, q);
      }
    }
    for (int row = 0; row < kTernaryTileRows; ++row) a.sums[row] += add_lanes(widen(pairs[row]));
  }
}

}  // namespace

const Kernels* avx2_kernels() {
  static constexpr Kernels kernels{"avx2", 4, block, vector, avx2_table_kernels, nullptr};
  return &kernels;
}

}  // namespace peryton::kernels::ternary

#else

namespace peryton::kernels::ternary {
const Kernels* avx2_kernels() { return nullptr; }
}  // namespace peryton::kernels::ternary

#endif
