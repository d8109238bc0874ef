// AVX-512 VNNI: VPDPBUSD adds four products of codes and signed bytes to a 32-bit lane, without
// saturation. Tests run it only where the processor has it.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/ternary_gemm/block_kernels.h"

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

template <int kRows, int kTokens>
void dots(const std::uint8_t* codes, const std::int8_t* q, std::int64_t q_stride,
          std::int64_t columns, std::int32_t* sums) {
  __m512i lanes[kTokens][kRows];
#pragma GCC unroll 8
  for (int t = 0; t < kTokens; ++t) {
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) lanes[t][r] = _mm512_setzero_si512();
  }
  for (std::int64_t j = 0; j < columns; j += 64) {
    __m512i right[kTokens];
#pragma GCC unroll 8
    for (int t = 0; t < kTokens; ++t) right[t] = load(q + t * q_stride + j);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const __m512i left = load(codes + r * kBlockColumns + j);
#pragma GCC unroll 8
      for (int t = 0; t < kTokens; ++t) {
        lanes[t][r] = _mm512_dpbusd_epi32(lanes[t][r], left, right[t]);
      }
    }
  }
#pragma GCC unroll 8
  for (int t = 0; t < kTokens; ++t) {
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      sums[t * kBlockRows + r] += _mm512_reduce_add_epi32(lanes[t][r]);
    }
  }
}

constexpr int kDotRows = 4, kDotTokens = 6;  // 24 of 32 registers

void block(const Block& a) {
  unpack(a);
  const std::int64_t columns = a.column_tiles * kTernaryTileColumns;
  for (std::int64_t row = 0; row < a.row_tiles * kTernaryTileRows; row += kDotRows) {
    const std::uint8_t* codes = a.codes + row * kBlockColumns;
    std::int64_t t = 0;
    for (; t + kDotTokens <= a.tokens; t += kDotTokens) {
      dots<kDotRows, kDotTokens>(codes, a.q + t * a.q_stride, a.q_stride, columns,
                                 a.sums + t * kBlockRows + row);
    }
    for (; t < a.tokens; ++t) {
      dots<kDotRows, 1>(codes, a.q + t * a.q_stride, a.q_stride, columns,
                        a.sums + t * kBlockRows + row);
    }
  }
}

void vector(const Vector& a) {
  __m512i lanes[kTernaryTileRows];
  for (auto& row : lanes) row = _mm512_setzero_si512();
  const std::uint8_t* bytes = a.packed;
  for (std::int64_t tile = 0; tile < a.column_tiles; ++tile) {
    const std::int8_t* q = a.q + tile * kTernaryTileColumns;
    const __m512i q0 = load(q), q1 = load(q + 64), q2 = load(q + 128), q3 = load(q + 192);
#pragma GCC unroll 8
    for (int row = 0; row < kTernaryTileRows; ++row, bytes += kTernaryTileRowBytes) {
      const __m512i packed = load(bytes);
      lanes[row] = _mm512_dpbusd_epi32(lanes[row], codes_of<0>(packed), q0);
      lanes[row] = _mm512_dpbusd_epi32(lanes[row], codes_of<1>(packed), q1);
      lanes[row] = _mm512_dpbusd_epi32(lanes[row], codes_of<2>(packed), q2);
      lanes[row] = _mm512_dpbusd_epi32(lanes[row], codes_of<3>(packed), q3);
    }
  }
  for (int row = 0; row < kTernaryTileRows; ++row) {
    a.sums[row] += _mm512_reduce_add_epi32(lanes[row]);
  }
}

}  // namespace

const Kernels* vnni_kernels() {
  static constexpr Kernels kernels{"avx512-vnni", block, vector, nullptr};
  return &kernels;
}

}  // namespace peryton::kernels::ternary

#else

namespace peryton::kernels::ternary {
const Kernels* vnni_kernels() { return nullptr; }
}  // namespace peryton::kernels::ternary

#endif
