// AVX-512 (BW): see permute_kernels.h.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/ternary_gemm/permute_kernels.h"
#include "kernels/ternary_pack/tile.h"

#ifdef __AVX512BW__
#include <immintrin.h>

#include <cstddef>

namespace peryton::kernels::ternary {
namespace {

constexpr std::int64_t kPlaneColumns = 64;
constexpr std::int64_t kNeighbours = 3 * kPlaneColumns;  // first column of the groups of neighbours

__m512i load(const void* from) { return _mm512_load_si512(from); }
void store(void* to, __m512i value) { _mm512_store_si512(to, value); }

// to[column][row] of 32 rows of 64 bytes: five perfect shuffles transpose 32 x 16 in each quarter.
void transpose(std::uint8_t* to, const std::uint8_t* const (&from)[kPermuteLanes]) {
  __m512i rows[32], next[32];
  for (int r = 0; r < 32; ++r) rows[r] = _mm512_loadu_si512(from[r]);
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 16; ++i) {
      next[2 * i] = _mm512_unpacklo_epi8(rows[i], rows[i + 16]);
      next[2 * i + 1] = _mm512_unpackhi_epi8(rows[i], rows[i + 16]);
    }
    for (int i = 0; i < 32; ++i) rows[i] = next[i];
  }
  for (int i = 0; i < 32; ++i) {  // column i / 2 of each quarter, half i % 2 of its rows
    auto* column = reinterpret_cast<__m128i*>(to + i * 16);
    _mm_store_si128(column, _mm512_castsi512_si128(rows[i]));
    _mm_store_si128(column + 32, _mm512_extracti32x4_epi32(rows[i], 1));
    _mm_store_si128(column + 64, _mm512_extracti32x4_epi32(rows[i], 2));
    _mm_store_si128(column + 96, _mm512_extracti32x4_epi32(rows[i], 3));
  }
}

__m256i load_bytes(const std::uint8_t* from) {
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(from));
}

// Entry numbers of three planes of 32 bytes of four codes.
__m256i entries_of(__m256i packed) {
  const __m256i low =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 2, 0, 3, 4, 5, 0, 6, 7, 8, 0, 0, 0, 0, 0));
  const __m256i high = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(0, 9, 18, 0, 0, 9, 18, 0, 0, 9, 18, 0, 0, 9, 18, 0));
  const __m256i nibble = _mm256_set1_epi8(15);
  const __m256i shifted = _mm256_and_si256(_mm256_srli_epi16(packed, 4), nibble);
  return _mm256_add_epi8(_mm256_shuffle_epi8(low, _mm256_and_si256(packed, nibble)),
                         _mm256_shuffle_epi8(high, shifted));
}

// a + 3 b + 9 c
__m256i entries_of(__m256i a, __m256i b, __m256i c) {
  const auto triple = [](__m256i x) { return _mm256_add_epi8(x, _mm256_add_epi8(x, x)); };
  return _mm256_add_epi8(a, triple(_mm256_add_epi8(b, triple(c))));
}

// The entries of one tile; `to` is of its first group.
void fill_tile(std::uint16_t* to, const std::uint8_t* const (&rows)[kPermuteLanes]) {
  alignas(64) std::uint8_t bytes[kPlaneColumns * kPermuteLanes];
  alignas(64) std::uint8_t last_plane[(kPlaneColumns + 2) * kPermuteLanes];
  transpose(bytes, rows);
  const __m256i three = _mm256_set1_epi8(3);
  for (std::int64_t j = 0; j < kPlaneColumns; ++j, to += kPermuteRows) {
    const __m256i packed = load_bytes(bytes + j * kPermuteLanes);
    store(to, _mm512_cvtepu8_epi16(entries_of(packed)));
    _mm256_store_si256(reinterpret_cast<__m256i*>(last_plane + j * kPermuteLanes),
                       _mm256_and_si256(_mm256_srli_epi16(packed, 6), three));
  }
  store(last_plane + kPlaneColumns * kPermuteLanes, _mm512_set1_epi8(1));  // columns not there
  const std::uint8_t* codes = last_plane;
  for (std::int64_t g = kPlaneColumns; g < kPermuteGroups; ++g, to += kPermuteRows) {
    const __m256i a = load_bytes(codes), b = load_bytes(codes + kPermuteLanes);
    store(to, _mm512_cvtepu8_epi16(entries_of(a, b, load_bytes(codes + 2 * kPermuteLanes))));
    codes += 3 * kPermuteLanes;
  }
}

void fill_entries(const PermuteEntries& to, const std::uint8_t* packed, std::int64_t row_tile_bytes,
                  std::int64_t row_tiles, std::int64_t vector) {
  alignas(64) std::uint8_t padding[kTernaryTileRowBytes];
  store(padding, _mm512_set1_epi8(0x55));
  for (std::int64_t tile = 0; tile < to.column_tiles; ++tile) {
    const std::uint8_t* rows[kPermuteLanes];
    for (std::int64_t r = 0; r < kPermuteLanes; ++r) {
      const std::int64_t row_tile = r / kTernaryTileRows;
      rows[r] = row_tile < row_tiles
                    ? packed + row_tile * row_tile_bytes + tile * kTernaryTileBytes +
                          r % kTernaryTileRows * kTernaryTileRowBytes
                    : padding;
    }
    const std::int64_t group = tile * to.row_groups + vector / kPermuteVectors;
    fill_tile(to.entries + group * kPermuteGroups * kPermuteRows +
                  vector % kPermuteVectors * kPermuteLanes,
              rows);
  }
}

// The tables of one token and one tile: tables[group * kPermuteTokens][27 of 32 lanes].
void fill_tables(std::int16_t* tables, const std::int8_t* q) {
  alignas(64) std::int16_t wide[kTernaryTileColumns + kPermuteLanes];
  for (std::int64_t j = 0; j < kTernaryTileColumns; j += kPermuteLanes) {
    const auto* bytes = reinterpret_cast<const __m256i*>(q + j);
    store(wide + j, _mm512_cvtepi8_epi16(_mm256_loadu_si256(bytes)));
  }
  store(wide + kTernaryTileColumns, _mm512_setzero_si512());  // columns not there
  alignas(64) std::int16_t digits[3][kPermuteLanes];
  for (int lane = 0; lane < kPermuteLanes; ++lane) {
    digits[0][lane] = static_cast<std::int16_t>(lane % 3 - 1);
    digits[1][lane] = static_cast<std::int16_t>(lane / 3 % 3 - 1);
    digits[2][lane] = static_cast<std::int16_t>(lane / 9 - 1);
  }
  const __m512i first = load(digits[0]), second = load(digits[1]), third = load(digits[2]);
  const auto put = [&](std::int64_t group, const std::int16_t* at, std::int64_t stride) {
    const __m512i a = _mm512_mullo_epi16(first, _mm512_set1_epi16(at[0]));
    const __m512i b = _mm512_mullo_epi16(second, _mm512_set1_epi16(at[stride]));
    const __m512i c = _mm512_mullo_epi16(third, _mm512_set1_epi16(at[2 * stride]));
    store(tables + group * kPermuteTokens * kPermuteLanes,
          _mm512_add_epi16(_mm512_add_epi16(a, b), c));
  };
  for (std::int64_t g = 0; g < kPlaneColumns; ++g) put(g, wide + g, kPlaneColumns);
  for (std::int64_t g = kPlaneColumns; g < kPermuteGroups; ++g) {
    put(g, wide + kNeighbours + 3 * (g - kPlaneColumns), 1);
  }
}

// sums[v] += table[entries[v]]: all lookups, then all additions, which is a twentieth faster than
// in turn. The compiler is kept from another order, and from moving the sums about.
void add_lookups(__m512i (&sums)[kPermuteVectors], const __m512i (&entries)[kPermuteVectors],
                 __m512i table) {
  __m512i found[kPermuteVectors];
#pragma GCC unroll 4
  for (int v = 0; v < kPermuteVectors; ++v) {
    asm volatile("vpermw %2, %1, %0" : "=v"(found[v]) : "v"(entries[v]), "v"(table));
  }
#pragma GCC unroll 4
  for (int v = 0; v < kPermuteVectors; ++v) {
    asm volatile("vpaddw %1, %0, %0" : "+v"(sums[v]) : "v"(found[v]));
  }
}

void widen_into(std::int32_t* sums, __m512i narrow) {
  const __m512i low = _mm512_cvtepi16_epi32(_mm512_castsi512_si256(narrow));
  const __m512i high = _mm512_cvtepi16_epi32(_mm512_extracti64x4_epi64(narrow, 1));
  store(sums, _mm512_add_epi32(load(sums), low));
  store(sums + 16, _mm512_add_epi32(load(sums + 16), high));
}

// One tile, one group of rows, one of tokens.
void add_tile(std::int32_t* sums, std::int64_t stride, const std::uint16_t* entries,
              const std::int16_t* tables) {
  __m512i narrow[kPermuteTokens][kPermuteVectors];
#pragma GCC unroll 6
  for (auto& token : narrow) {
#pragma GCC unroll 4
    for (__m512i& vector : token) vector = _mm512_setzero_si512();
  }
  for (std::int64_t g = 0; g < kPermuteGroups; ++g, entries += kPermuteRows) {
    __m512i entry[kPermuteVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kPermuteVectors; ++v) entry[v] = load(entries + v * kPermuteLanes);
#pragma GCC unroll 6
    for (int t = 0; t < kPermuteTokens; ++t, tables += kPermuteLanes) {
      add_lookups(narrow[t], entry, load(tables));
    }
  }
#pragma GCC unroll 6
  for (int t = 0; t < kPermuteTokens; ++t, sums += stride) {
#pragma GCC unroll 4
    for (int v = 0; v < kPermuteVectors; ++v) widen_into(sums + v * kPermuteLanes, narrow[t][v]);
  }
}

void block(const PermuteBlock& a) {
  alignas(64) std::int16_t tables[kPermuteGroups * kPermuteTokens * kPermuteLanes];
  const std::int64_t rows = a.from.row_groups * kPermuteRows;
  const std::int64_t tokens = a.token_groups * kPermuteTokens;
  __builtin_memset(a.sums, 0, static_cast<std::size_t>(tokens * rows) * sizeof *a.sums);
  const std::uint16_t* entries = a.from.entries;
  for (std::int64_t tile = 0; tile < a.from.column_tiles; ++tile) {
    for (std::int64_t token = 0; token < tokens; token += kPermuteTokens) {
      for (std::int64_t t = 0; t < kPermuteTokens; ++t) {
        fill_tables(tables + t * kPermuteLanes,
                    a.q + (token + t) * a.q_stride + tile * kTernaryTileColumns);
      }
      for (std::int64_t group = 0; group < a.from.row_groups; ++group) {
        add_tile(a.sums + token * rows + group * kPermuteRows, rows,
                 entries + group * kPermuteGroups * kPermuteRows, tables);
      }
    }
    entries += a.from.row_groups * kPermuteGroups * kPermuteRows;
  }
}

}  // namespace

const PermuteKernels* avx512_permute_kernels() {
  static constexpr PermuteKernels kernels{fill_entries, block};
  return &kernels;
}

}  // namespace peryton::kernels::ternary

#else

namespace peryton::kernels::ternary {
const PermuteKernels* avx512_permute_kernels() { return nullptr; }
}  // namespace peryton::kernels::ternary

#endif
