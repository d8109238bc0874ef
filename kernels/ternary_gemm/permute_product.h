// The driver of the permute kernels.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "kernels/ternary_gemm/block_kernels.h"
#include "kernels/ternary_gemm/permute_kernels.h"
#include "kernels/ternary_gemm/store_sums.h"

namespace peryton::kernels::ternary {

// Rows of a block: the more, the less the tables of the tokens cost.
inline constexpr std::int64_t kPermuteBlockRows = 2048;
// Tokens of a block: entries of a tile come from the second cache for all but the first few.
inline constexpr std::int64_t kPermuteTokenGroups = 4;

// Entries pay for themselves over many tokens, tables over many rows. Measured on Zen 4 against
// VPDPBUSD, 2048 columns: with 2048 rows and 48, 64, 128, 512 tokens 2, 8, 15, 24 % faster; with
// 512 rows and 64, 128, 512 tokens 6 % slower, the same, 3 % faster.
inline constexpr std::int64_t kPermuteFromTokens = 64;
inline constexpr std::int64_t kPermuteFromRows = 512;

inline bool uses_permutes(const Kernels& kernels, const TernaryShape& shape, std::int64_t tokens) {
  return kernels.find_permutes != nullptr && tokens >= kPermuteFromTokens &&
         shape.rows >= kPermuteFromRows;
}

inline PermuteEntries permute_entries(const TernaryShape& shape, std::int64_t row,
                                      void* workspace) {
  const std::int64_t rows = std::min(kPermuteBlockRows, shape.rows - row);
  return {static_cast<std::uint16_t*>(workspace), divide_up(rows, kPermuteRows),
          shape.column_tiles()};
}

// Bytes of the entries of one block of rows.
inline std::int64_t permute_workspace(const TernaryShape& shape) {
  return permute_entries(shape, 0, nullptr).count() *
         static_cast<std::int64_t>(sizeof(std::uint16_t));
}

// token_groups groups of tokens against a block of rows.
template <class T>
void run_permute_block(const PermuteKernels& kernels, const TernaryGemmArgs<T>& a,
                       const PermuteEntries& from, std::int64_t row, std::int64_t token,
                       std::int64_t token_groups) {
  alignas(64) std::int32_t sums[kPermuteTokenGroups * kPermuteTokens * kPermuteBlockRows];
  kernels.block({from, a.q + token * a.q_stride, a.q_stride, token_groups, sums});
  const std::int64_t stride = from.row_groups * kPermuteRows;
  const std::int64_t rows = std::min(kPermuteBlockRows, a.shape.rows - row);
  for (std::int64_t t = 0; t < token_groups * kPermuteTokens; ++t) {
    store_sums(a, token + t, row, rows, sums + t * stride, 0);
  }
}

// The whole groups of tokens; the rest is for other kernels.
template <class T>
void multiply_by_permutes(const PermuteKernels& kernels, const TernaryGemmArgs<T>& a,
                          const Context& context) {
  constexpr std::int64_t kTilesPerVector = kPermuteLanes / kTernaryTileRows;
  const std::int64_t token_groups = a.tokens / kPermuteTokens;
  for (std::int64_t row = 0; row < a.shape.rows; row += kPermuteBlockRows) {
    const PermuteEntries entries = permute_entries(a.shape, row, a.workspace);
    parallel_for(context, entries.row_groups * kPermuteVectors, [&](std::int64_t vector) {
      const std::int64_t tile = row / kTernaryTileRows + vector * kTilesPerVector;
      const std::int64_t tiles = std::min(kTilesPerVector, a.shape.row_tiles() - tile);
      kernels.fill_entries(entries, a.packed + tile * a.shape.row_tile_bytes(),
                           a.shape.row_tile_bytes(), tiles, vector);
    });
    parallel_for(context, divide_up(token_groups, kPermuteTokenGroups), [&](std::int64_t block) {
      const std::int64_t first = block * kPermuteTokenGroups;
      run_permute_block(kernels, a, entries, row, first * kPermuteTokens,
                        std::min(kPermuteTokenGroups, token_groups - first));
    });
  }
}

}  // namespace peryton::kernels::ternary
