// SPDX-License-Identifier: Apache-2.0
#include "kernels/ternary_gemm/table_kernels.h"

#ifdef __AVX2__
#include <immintrin.h>

#include <cstddef>

namespace peryton::kernels::ternary {
namespace {

constexpr std::int64_t kTableBytes = kTableEntries * kTableEntryBytes;

__m256i load(const void* from) { return _mm256_load_si256(static_cast<const __m256i*>(from)); }
void store(void* to, __m256i value) { _mm256_store_si256(static_cast<__m256i*>(to), value); }

// Entry numbers of 32 bytes of four codes.
__m256i entries_of(__m256i packed) {
  const __m256i low =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 2, 0, 3, 4, 5, 0, 6, 7, 8, 0, 0, 0, 0, 0));
  const __m256i high = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(0, 9, 18, 0, 27, 36, 45, 0, 54, 63, 72, 0, 0, 0, 0, 0));
  const __m256i nibble = _mm256_set1_epi8(15);
  const __m256i left = _mm256_shuffle_epi8(low, _mm256_and_si256(packed, nibble));
  const __m256i shifted = _mm256_and_si256(_mm256_srli_epi16(packed, 4), nibble);
  return _mm256_add_epi8(left, _mm256_shuffle_epi8(high, shifted));
}

void fill_offsets(const TableOffsets& to, const std::uint8_t* packed, std::int64_t tile) {
  for (std::int64_t column_tile = 0; column_tile < to.column_tiles; ++column_tile) {
    for (std::int64_t i = 0; i < kTernaryTileRows; ++i, packed += kTernaryTileRowBytes) {
      const std::int64_t row = tile * kTernaryTileRows + i;
      std::uint16_t* quad = to.offsets + (column_tile * kTileQuads * to.stride() + row) * 4;
      for (int part = 0; part < kTernaryTileRowBytes; part += 16) {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(packed + part));
        const __m128i entries = _mm256_castsi256_si128(entries_of(_mm256_castsi128_si256(bytes)));
        const __m256i offsets = _mm256_slli_epi16(_mm256_cvtepu8_epi16(entries), 6);
        const __m128i halves[2] = {_mm256_castsi256_si128(offsets),
                                   _mm256_extracti128_si256(offsets, 1)};
        for (const __m128i half : halves) {
          _mm_storel_epi64(reinterpret_cast<__m128i*>(quad), half);
          quad += to.stride() * 4;
          _mm_storeh_pd(reinterpret_cast<double*>(quad), _mm_castsi128_pd(half));
          quad += to.stride() * 4;
        }
      }
    }
  }
}
static_assert(kTableEntryBytes == 1 << 6);

// 16 tokens x 16 columns of bytes to 16-bit columns of tokens: four perfect shuffles transpose.
void spread_block(std::int16_t* to, const std::int8_t* q, std::int64_t q_stride) {
  __m128i rows[16], next[16];
  for (int t = 0; t < 16; ++t) {
    rows[t] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(q + t * q_stride));
  }
  for (int round = 0; round < 4; ++round) {
    for (int i = 0; i < 8; ++i) {
      next[2 * i] = _mm_unpacklo_epi8(rows[i], rows[i + 8]);
      next[2 * i + 1] = _mm_unpackhi_epi8(rows[i], rows[i + 8]);
    }
    for (int i = 0; i < 16; ++i) rows[i] = next[i];
  }
  for (int j = 0; j < 16; ++j) store(to + j * kTableTokens, _mm256_cvtepi8_epi16(rows[j]));
}

// One tile's columns of the 32 tokens: [256][32].
void spread_tokens(std::int16_t* to, const std::int8_t* q, std::int64_t q_stride) {
  for (std::int64_t token = 0; token < kTableTokens; token += 16) {
    for (std::int64_t column = 0; column < kTernaryTileColumns; column += 16) {
      spread_block(to + column * kTableTokens + token, q + token * q_stride + column, q_stride);
    }
  }
}

// The nine sums of two columns, first column fastest.
void nine_sums(__m256i (&sums)[9], const std::int16_t* a, const std::int16_t* b) {
  const __m256i zero = _mm256_setzero_si256(), x = load(a), y = load(b);
  const __m256i first[3] = {_mm256_sub_epi16(zero, x), zero, x};
  const __m256i second[3] = {_mm256_sub_epi16(zero, y), zero, y};
  for (int j = 0; j < 3; ++j) {
    for (int i = 0; i < 3; ++i) sums[3 * j + i] = _mm256_add_epi16(first[i], second[j]);
  }
}

// The table of the group that starts at column `tokens` of [256][32].
void fill_table(std::int16_t* table, const std::int16_t* tokens) {
  constexpr std::int64_t kPlane = 64 * kTableTokens;
  for (std::int64_t half = 0; half < kTableTokens; half += 16) {
    __m256i low[9], high[9];
    nine_sums(low, tokens + half, tokens + kPlane + half);
    nine_sums(high, tokens + 2 * kPlane + half, tokens + 3 * kPlane + half);
    for (int j = 0; j < 9; ++j) {
      for (int i = 0; i < 9; ++i) {
        store(table + (9 * j + i) * kTableTokens + half, _mm256_add_epi16(high[j], low[i]));
      }
    }
  }
}

// Every row adds its entries of the four tables of a quad.
void add_entries(std::int16_t* sums, const std::uint16_t* offsets, const std::int16_t* tables,
                 std::int64_t rows) {
  const char* base = reinterpret_cast<const char*>(tables);
  for (std::int64_t row = 0; row < rows; ++row, sums += kTableTokens, offsets += 4) {
    std::uint64_t four;
    __builtin_memcpy(&four, offsets, sizeof four);
    const char* a = base + (four & 0xffff);
    const char* b = base + kTableBytes + (four >> 16 & 0xffff);
    const char* c = base + 2 * kTableBytes + (four >> 32 & 0xffff);
    const char* d = base + 3 * kTableBytes + (four >> 48);
    __m256i x = load(sums), y = load(sums + 16);
    x = _mm256_add_epi16(_mm256_add_epi16(x, load(a)), load(b));
    y = _mm256_add_epi16(_mm256_add_epi16(y, load(a + 32)), load(b + 32));
    x = _mm256_add_epi16(_mm256_add_epi16(x, load(c)), load(d));
    y = _mm256_add_epi16(_mm256_add_epi16(y, load(c + 32)), load(d + 32));
    store(sums, x);
    store(sums + 16, y);
  }
}

// sums += narrow, narrow = 0.
void widen_into(std::int32_t* sums, std::int16_t* narrow, std::int64_t count) {
  for (std::int64_t i = 0; i < count; i += 16) {
    const __m256i pairs = load(narrow + i);
    const __m256i low = _mm256_cvtepi16_epi32(_mm256_castsi256_si128(pairs));
    const __m256i high = _mm256_cvtepi16_epi32(_mm256_extracti128_si256(pairs, 1));
    store(sums + i, _mm256_add_epi32(load(sums + i), low));
    store(sums + i + 8, _mm256_add_epi32(load(sums + i + 8), high));
    store(narrow + i, _mm256_setzero_si256());
  }
}

void block(const TableBlock& a) {
  alignas(64) std::int16_t tables[4 * kTableEntries * kTableTokens];
  alignas(64) std::int16_t tokens[kTernaryTileColumns * kTableTokens];
  const std::int64_t rows = a.from.rows, count = rows * kTableTokens;
  __builtin_memset(a.sums, 0, static_cast<std::size_t>(count) * sizeof *a.sums);
  __builtin_memset(a.scratch, 0, static_cast<std::size_t>(count) * sizeof *a.scratch);
  const std::uint16_t* offsets = a.from.offsets;
  for (std::int64_t tile = 0; tile < a.from.column_tiles; ++tile) {
    spread_tokens(tokens, a.q + tile * kTernaryTileColumns, a.q_stride);
    for (std::int64_t quad = 0; quad < kTileQuads; ++quad, offsets += 4 * a.from.stride()) {
      for (std::int64_t group = 0; group < 4; ++group) {
        fill_table(tables + group * kTableEntries * kTableTokens,
                   tokens + (4 * quad + group) * kTableTokens);
      }
      add_entries(a.scratch, offsets, tables, rows);
    }
    widen_into(a.sums, a.scratch, count);
  }
}

// 8 rows x 8 tokens.
void transpose_block(std::int32_t* to, const std::int32_t* from) {
  __m256i in[8], pairs[8];
  for (int r = 0; r < 8; ++r) in[r] = load(from + r * kTableTokens);
  for (int r = 0; r < 8; r += 2) {
    pairs[r] = _mm256_unpacklo_epi32(in[r], in[r + 1]);
    pairs[r + 1] = _mm256_unpackhi_epi32(in[r], in[r + 1]);
  }
  for (int half = 0; half < 2; ++half) {  // tokens 0, 1 (and 4, 5), then 2, 3 (and 6, 7)
    const __m256i low = pairs[half], high = pairs[half + 2];
    const __m256i low2 = pairs[half + 4], high2 = pairs[half + 6];
    const __m256i even = _mm256_unpacklo_epi64(low, high), odd = _mm256_unpackhi_epi64(low, high);
    const __m256i even2 = _mm256_unpacklo_epi64(low2, high2);
    const __m256i odd2 = _mm256_unpackhi_epi64(low2, high2);
    const int token = 2 * half;
    store(to + 8 * token, _mm256_permute2x128_si256(even, even2, 0x20));
    store(to + 8 * (token + 1), _mm256_permute2x128_si256(odd, odd2, 0x20));
    store(to + 8 * (token + 4), _mm256_permute2x128_si256(even, even2, 0x31));
    store(to + 8 * (token + 5), _mm256_permute2x128_si256(odd, odd2, 0x31));
  }
}

void transpose(std::int32_t* to, const std::int32_t* from) {
  for (std::int64_t token = 0; token < kTableTokens; token += 8) {
    transpose_block(to + 8 * token, from + token);
  }
}

}  // namespace

const TableKernels* avx2_table_kernels() {
  static constexpr TableKernels kernels{fill_offsets, block, transpose};
  return &kernels;
}

}  // namespace peryton::kernels::ternary

#else

namespace peryton::kernels::ternary {
const TableKernels* avx2_table_kernels() { return nullptr; }
}  // namespace peryton::kernels::ternary

#endif
