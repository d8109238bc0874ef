// The driver of the table kernels.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "kernels/ternary_gemm/block_kernels.h"
#include "kernels/ternary_gemm/store_sums.h"
#include "kernels/ternary_gemm/table_kernels.h"

namespace peryton::kernels::ternary {

// Tables pay for themselves over many rows, offsets over several blocks of tokens.
inline bool uses_tables(const Kernels& kernels, const TernaryShape& shape, std::int64_t tokens) {
  return kernels.find_tables != nullptr && tokens >= 2 * kTableTokens &&
         shape.rows >= kTableRows / 2;
}

// Bytes of the offsets of one block of rows.
inline std::int64_t table_workspace(const TernaryShape& shape) {
  const std::int64_t rows = std::min(kTableRows, shape.row_tiles() * kTernaryTileRows);
  const TableOffsets offsets{nullptr, rows, shape.column_tiles()};
  return offsets.count() * static_cast<std::int64_t>(sizeof *offsets.offsets);
}

template <class T>
void run_table_block(const TableKernels& kernels, const TernaryGemmArgs<T>& a,
                     const TableOffsets& from, std::int64_t row, std::int64_t token) {
  alignas(64) std::int32_t sums[kTableRows * kTableTokens];
  alignas(64) std::int16_t scratch[kTableRows * kTableTokens];
  alignas(64) std::int32_t turned[kTableTokens * kTernaryTileRows];
  kernels.block({.from = from,
                 .q = a.q + token * a.q_stride,
                 .q_stride = a.q_stride,
                 .sums = sums,
                 .scratch = scratch});
  for (std::int64_t i = 0; i < from.rows; i += kTernaryTileRows) {
    const std::int64_t rows = std::min(kTernaryTileRows, a.shape.rows - row - i);
    kernels.transpose(turned, sums + i * kTableTokens);
    for (std::int64_t t = 0; t < kTableTokens; ++t) {
      store_sums(a, token + t, row + i, rows, turned + t * kTernaryTileRows, 0);
    }
  }
}

// The whole blocks of tokens; the rest is for other kernels.
template <class T>
void multiply_by_tables(const TableKernels& kernels, const TernaryGemmArgs<T>& a,
                        const Context& context) {
  for (std::int64_t row = 0; row < a.shape.rows; row += kTableRows) {
    const std::int64_t tile = row / kTernaryTileRows;
    const std::int64_t tiles = std::min(kTableRows / kTernaryTileRows, a.shape.row_tiles() - tile);
    const TableOffsets offsets{reinterpret_cast<std::uint16_t*>(a.workspace),
                               tiles * kTernaryTileRows, a.shape.column_tiles()};
    parallel_for(context, tiles, [&](std::int64_t i) {
      kernels.fill_offsets(offsets, a.packed + (tile + i) * a.shape.row_tile_bytes(), i);
    });
    parallel_for(context, a.tokens / kTableTokens, [&](std::int64_t block) {
      run_table_block(kernels, a, offsets, row, block * kTableTokens);
    });
  }
}

}  // namespace peryton::kernels::ternary
