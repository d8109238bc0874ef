// Sums over rows in a fixed order: rows are cut into at most kMaxRowBlocks blocks by their number
// alone, each block sums its rows into a partial result, and the partial results are added in block
// order.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "kernels/common/context.h"

namespace peryton::kernels {

inline constexpr std::int64_t kMaxRowBlocks = 64;
inline constexpr std::int64_t kMinRowsPerBlock = 32;

constexpr std::int64_t rows_per_block(std::int64_t rows) {
  const std::int64_t even = divide_up(rows, kMaxRowBlocks);
  return even > kMinRowsPerBlock ? even : kMinRowsPerBlock;
}

constexpr std::int64_t row_block_count(std::int64_t rows) {
  return divide_up(rows, rows_per_block(rows));
}

// total[i] = sum over blocks of partial[block * block_stride + i], i in [0, width).
template <class C>
void add_row_blocks(C* total, const C* partial, std::int64_t blocks, std::int64_t block_stride,
                    std::int64_t width, const Context& context) {
  parallel_blocks(context, width, 1024, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) total[i] = 0;
    for (std::int64_t block = 0; block < blocks; ++block) {
      const C* from = partial + block * block_stride;
      for (std::int64_t i = begin; i < end; ++i) total[i] += from[i];
    }
  });
}

}  // namespace peryton::kernels
