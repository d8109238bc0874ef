// Packed GEMM in the manner of Goto and van de Geijn ("Anatomy of high-performance matrix
// multiplication", 2008): slabs of B are packed by the team together, blocks of A by the worker
// that multiplies them. What panels hold and who multiplies them is a parameter:
//   Element                          of a panel
//   kReadsInPlace<A>                 rows of A that lie contiguous need no packing
//   shape(), depth()                 of a panel; the largest depth
//   stored(k)                        depth of a panel of k depths
//   pack(source, lines, k, width, to)
//   multiply(product)
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "kernels/gemm/gemm.h"
#include "kernels/gemm/packing.h"
#include "kernels/gemm/panels.h"

namespace peryton::kernels::cpu {

// Deeper is better: C passes once a depth, and the ends of the innermost loop are a smaller part of
// it. A panel of B, 32 or 64 KiB, streams from the second-level cache where the first is too small.
constexpr std::int64_t kDepth = 512;
constexpr std::int64_t kBlockPanels =
    12;  // a block of A, 144 or 288 KiB, in the second-level cache
constexpr std::int64_t kBlockColumns = 1024;  // columns of one task, where tasks are few
constexpr std::int64_t kBlocksPerThread = 4;
constexpr std::int64_t kSlabColumns = 4096;  // a slab of B, 8 MiB, in the last one
// Rows of A so far apart fall into one set of the first-level cache, which has fewer ways than a
// panel has rows: then copying them pays.
constexpr std::int64_t kAliasedBytes = 4096, kWays = 8;

// An even number of blocks of nearly one size: a team is kept busy to the end.
constexpr std::int64_t block_rows(std::int64_t m, std::int64_t panel_rows) {
  const std::int64_t blocks = 2 * divide_up(m, 2 * kBlockPanels * panel_rows);
  return round_up(divide_up(m, blocks), panel_rows);
}

// In floats, enough for panels of either element.
constexpr std::int64_t slab_floats(std::int64_t n, std::int64_t k) {
  return round_up(std::min(n, kSlabColumns), kLargestPanel.columns) * std::min(k, kDepth);
}

constexpr std::int64_t block_floats(std::int64_t m, std::int64_t k) {
  const std::int64_t rows = std::min(m, kBlockPanels * kLargestPanel.rows);
  return round_up(rows, kLargestPanel.rows) * std::min(k, kDepth);
}

// One slab: columns [column, column + columns) and depths [depth, depth + k).
struct Slab {
  std::int64_t column, columns, depth, k;
};

template <class Panels, class A, class B>
void pack_slab(const Panels& panels, const GemmArgs<float, A, B>& args, const Slab& slab,
               const Context& context) {
  const std::int64_t width = panels.shape().columns, depth = panels.stored(slab.k);
  const std::int64_t line = args.transpose_b ? args.ldb : 1, step = args.transpose_b ? 1 : args.ldb;
  const B* first = args.b + slab.column * line + slab.depth * step;
  auto* to = reinterpret_cast<typename Panels::Element*>(args.workspace);
  parallel_blocks(context, slab.columns, 8 * width, [&](std::int64_t begin, std::int64_t end) {
    panels.template pack<B>({first + begin * line, line, step}, end - begin, slab.k, width,
                            to + begin * depth);
  });
}

// Rows of A that lie contiguous need no copy, unless they evict one another.
template <class Panels, class A, class B>
bool reads_in_place(const Panels& panels, const GemmArgs<float, A, B>& args) {
  const bool aliased = panels.shape().rows > kWays && args.lda * sizeof(A) % kAliasedBytes == 0;
  return Panels::template kReadsInPlace<A> && !args.transpose_a && !aliased;
}

template <class Panels, class A, class B>
void multiply_block(const Panels& panels, const GemmArgs<float, A, B>& args, const Slab& slab,
                    std::int64_t row, std::int64_t column, std::int64_t columns, float* scratch) {
  using Element = typename Panels::Element;
  const PanelShape shape = panels.shape();
  const std::int64_t rows = std::min(block_rows(args.m, shape.rows), args.m - row);
  const std::int64_t line = args.transpose_a ? 1 : args.lda, step = args.transpose_a ? args.lda : 1;
  const A* a = args.a + row * line + slab.depth * step;
  const bool first = slab.depth == 0, last = slab.depth + slab.k == args.k;
  auto* block = reinterpret_cast<Element*>(scratch);
  PanelProductOf<Element> product{
      .a = block,
      .a_stride = 0,
      .b = reinterpret_cast<const Element*>(args.workspace) + column * panels.stored(slab.k),
      .m = rows,
      .n = std::min(columns, slab.columns - column),
      .k = slab.k,
      .alpha = args.alpha,
      .beta = first ? args.beta : 1.0f,
      .bias = last && args.bias != nullptr ? args.bias + slab.column + column : nullptr,
      .c = args.c + row * args.ldc + slab.column + column,
      .ldc = args.ldc};
  if constexpr (Panels::template kReadsInPlace<A>) {
    if (reads_in_place(panels, args)) {
      product.a = a;
      product.a_stride = line;
      return multiply_rows(product, scratch);
    }
  }
  panels.template pack<A>({a, line, step}, rows, slab.k, shape.rows, block);
  panels.multiply(product);
}

template <class Panels, class A, class B>
void multiply_slab(const Panels& panels, const GemmArgs<float, A, B>& args, const Slab& slab,
                   const Context& context) {
  pack_slab(panels, args, slab, context);
  const std::int64_t rows = block_rows(args.m, panels.shape().rows);
  const std::int64_t row_blocks = divide_up(args.m, rows);
  // A block of A that must be packed is packed once for the whole slab, if the team has work enough
  // without more columns of blocks; no sum depends on it.
  const bool enough = row_blocks >= kBlocksPerThread * context.threads;
  const std::int64_t columns =
      enough && !reads_in_place(panels, args) ? slab.columns : kBlockColumns;
  const std::int64_t column_blocks = divide_up(slab.columns, columns);
  const std::int64_t blocks = row_blocks * column_blocks;
  float* scratch = args.workspace + slab_floats(args.n, args.k);
  const std::int64_t scratch_floats = block_floats(args.m, args.k);
  parallel_for_worker(context, blocks, [&](std::int64_t block, int worker) {
    multiply_block(panels, args, slab, block / column_blocks * rows,
                   block % column_blocks * columns, columns, scratch + worker * scratch_floats);
  });
}

template <class Panels, class A, class B>
void multiply_packed(const Panels& panels, const GemmArgs<float, A, B>& args,
                     const Context& context) {
  require(args.workspace != nullptr, "gemm", "no workspace");
  // C = beta C + bias
  if (args.k == 0) multiply_slab(panels, args, {0, args.n, 0, 0}, context);
  const std::int64_t depths = panels.depth();
  for (std::int64_t column = 0; column < args.n; column += kSlabColumns) {
    for (std::int64_t depth = 0; depth < args.k; depth += depths) {
      multiply_slab(panels, args,
                    {.column = column,
                     .columns = std::min(kSlabColumns, args.n - column),
                     .depth = depth,
                     .k = std::min(depths, args.k - depth)},
                    context);
    }
  }
}

}  // namespace peryton::kernels::cpu
