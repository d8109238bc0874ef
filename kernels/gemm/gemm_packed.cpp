// Packed GEMM in the manner of Goto and van de Geijn ("Anatomy of high-performance matrix
// multiplication", 2008): slabs of B are packed by the team together, blocks of A by the worker
// that multiplies them. oneDNN's sgemm reaches 35 to 65 % of this for A B and A^T B of our sizes.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <type_traits>

#include "kernels/common/argument_error.h"
#include "kernels/common/dtype.h"
#include "kernels/gemm/gemm.h"
#include "kernels/gemm/packing.h"
#include "kernels/gemm/panels.h"

namespace peryton::kernels {
namespace {

// A panel of B, at most 32 KiB, comes from the nearest caches again and again. Deeper is better: C
// passes once a depth, and the ends of the innermost loop are a smaller part of it.
constexpr std::int64_t kDepth = 512;
constexpr std::int64_t kPanelElements = 8192;
constexpr std::int64_t kBlockRows = 72;       // a block of A, 144 KiB, in the second-level cache
constexpr std::int64_t kBlockColumns = 1024;  // columns of one task
constexpr std::int64_t kSlabColumns = 4096;   // a slab of B, 4 MiB, in the last one
constexpr std::int64_t kFewRows = 8;          // below this, packing B costs more than it saves

constexpr std::int64_t round_up(std::int64_t a, std::int64_t b) { return divide_up(a, b) * b; }

// An even number of blocks of nearly one size: a team is kept busy to the end.
std::int64_t block_rows(std::int64_t m, std::int64_t multiple) {
  const std::int64_t blocks = 2 * divide_up(m, 2 * kBlockRows);
  return round_up(divide_up(m, blocks), multiple);
}

std::int64_t slab_elements(std::int64_t n, std::int64_t k) {
  return round_up(std::min(n, kSlabColumns), cpu::kLargestPanel.columns) * std::min(k, kDepth);
}

std::int64_t block_elements(std::int64_t m, std::int64_t k) {
  return block_rows(m, cpu::kLargestPanel.rows) * std::min(k, kDepth);
}

std::int64_t depth_of_slab() {
  return std::min(kDepth, kPanelElements / cpu::panel_shape().columns);
}

// One slab: columns [column, column + columns) and depths [depth, depth + k).
struct Slab {
  std::int64_t column, columns, depth, k;
};

template <class A, class B>
void pack_slab(const GemmArgs<float, A, B>& args, const Slab& slab, const Context& context) {
  const std::int64_t width = cpu::panel_shape().columns;
  const std::int64_t line = args.transpose_b ? args.ldb : 1, step = args.transpose_b ? 1 : args.ldb;
  const B* first = args.b + slab.column * line + slab.depth * step;
  parallel_blocks(context, slab.columns, 8 * width, [&](std::int64_t begin, std::int64_t end) {
    cpu::pack_panels<B>({first + begin * line, line, step}, end - begin, slab.k, width,
                        args.workspace + begin * slab.k);
  });
}

template <class A, class B>
void multiply_block(const GemmArgs<float, A, B>& args, const Slab& slab, std::int64_t row,
                    std::int64_t column, float* block) {
  const std::int64_t rows = std::min(block_rows(args.m, cpu::panel_shape().rows), args.m - row);
  const std::int64_t line = args.transpose_a ? 1 : args.lda, step = args.transpose_a ? args.lda : 1;
  const A* a = args.a + row * line + slab.depth * step;
  const bool first = slab.depth == 0, last = slab.depth + slab.k == args.k;
  cpu::PanelProduct product{
      .a = block,
      .a_stride = 0,
      .b = args.workspace + column * slab.k,
      .m = rows,
      .n = std::min(kBlockColumns, slab.columns - column),
      .k = slab.k,
      .alpha = args.alpha,
      .beta = first ? args.beta : 1.0f,
      .bias = last && args.bias != nullptr ? args.bias + slab.column + column : nullptr,
      .c = args.c + row * args.ldc + slab.column + column,
      .ldc = args.ldc};
  std::int64_t done = 0;
  if constexpr (std::is_same_v<A, float>) {
    // Rows that lie contiguous are read where they are, as far as they fill panels.
    if (step == 1) done = rows / cpu::panel_shape().rows * cpu::panel_shape().rows;
    if (done > 0) {
      cpu::PanelProduct whole = product;
      whole.a = a;
      whole.a_stride = line;
      whole.m = done;
      cpu::multiply_panels(whole);
    }
  }
  if (done == rows) return;
  cpu::pack_panels<A>({a + done * line, line, step}, rows - done, slab.k, cpu::panel_shape().rows,
                      block);
  product.m = rows - done;
  product.c += done * args.ldc;
  cpu::multiply_panels(product);
}

template <class A, class B>
void multiply_slab(const GemmArgs<float, A, B>& args, const Slab& slab, const Context& context) {
  pack_slab(args, slab, context);
  const std::int64_t column_blocks = divide_up(slab.columns, kBlockColumns);
  const std::int64_t rows = block_rows(args.m, cpu::panel_shape().rows);
  const std::int64_t blocks = divide_up(args.m, rows) * column_blocks;
  float* scratch = args.workspace + slab_elements(args.n, args.k);
  const std::int64_t scratch_elements = block_elements(args.m, args.k);
  parallel_for_worker(context, blocks, [&](std::int64_t block, int worker) {
    multiply_block(args, slab, block / column_blocks * rows, block % column_blocks * kBlockColumns,
                   scratch + worker * scratch_elements);
  });
}

template <class T>
void add_bias(const GemmArgs<T>& args) {
  for (std::int64_t i = 0; args.bias != nullptr && i < args.m; ++i) {
    for (std::int64_t j = 0; j < args.n; ++j) args.c[i * args.ldc + j] += args.bias[j];
  }
}

// A few rows (generation): B is read once, where it lies.
void multiply_few_rows(const GemmArgs<float>& args, const Context& context) {
  parallel_blocks(context, args.n, 512, [&](std::int64_t begin, std::int64_t end) {
    GemmArgs<float> part = args;
    part.n = end - begin;
    part.b += args.transpose_b ? begin * args.ldb : begin;
    part.c += begin;
    if (args.bias != nullptr) part.bias += begin;
    cpu::gemm_tile(part);
    add_bias(part);
  });
}

template <class T, class A, class B>
bool reads_where_it_lies(std::int64_t m, std::int64_t k) {
  return std::is_same_v<A, float> && std::is_same_v<B, float> && m < kFewRows && k > 0;
}

}  // namespace

template <class T, class A, class B>
std::int64_t gemm_workspace(std::int64_t m, std::int64_t n, std::int64_t k, int threads) {
  if (std::is_same_v<T, double> || reads_where_it_lies<T, A, B>(m, k)) return 0;
  return slab_elements(n, k) + std::max(1, threads) * block_elements(m, k);
}

namespace cpu {

template <class T, class A, class B>
void gemm(const GemmArgs<T, A, B>& args, const Context& context) {
  if (args.m == 0 || args.n == 0) return;
  if constexpr (std::is_same_v<T, double>) {
    parallel_blocks(context, args.m, 64, [&](std::int64_t begin, std::int64_t end) {
      GemmArgs<double> part = args;
      part.m = end - begin;
      part.a += args.transpose_a ? begin : begin * args.lda;
      part.c += begin * args.ldc;
      gemm_tile(part);
      add_bias(part);
    });
  } else {
    if constexpr (std::is_same_v<A, float> && std::is_same_v<B, float>) {
      if (reads_where_it_lies<T, A, B>(args.m, args.k)) return multiply_few_rows(args, context);
    }
    require(args.workspace != nullptr, "gemm", "no workspace");
    if (args.k == 0) multiply_slab(args, {0, args.n, 0, 0}, context);  // C = beta C + bias
    const std::int64_t depths = depth_of_slab();
    for (std::int64_t column = 0; column < args.n; column += kSlabColumns) {
      for (std::int64_t depth = 0; depth < args.k; depth += depths) {
        multiply_slab(args,
                      {.column = column,
                       .columns = std::min(kSlabColumns, args.n - column),
                       .depth = depth,
                       .k = std::min(depths, args.k - depth)},
                      context);
      }
    }
  }
}

template void gemm(const GemmArgs<double>&, const Context&);
template void gemm(const GemmArgs<float>&, const Context&);
template void gemm(const GemmArgs<float, float, BFloat16>&, const Context&);
template void gemm(const GemmArgs<float, BFloat16, float>&, const Context&);
template void gemm(const GemmArgs<float, BFloat16, BFloat16>&, const Context&);

}  // namespace cpu

template std::int64_t gemm_workspace<double>(std::int64_t, std::int64_t, std::int64_t, int);
template std::int64_t gemm_workspace<float>(std::int64_t, std::int64_t, std::int64_t, int);
template std::int64_t gemm_workspace<float, float, BFloat16>(std::int64_t, std::int64_t,
                                                             std::int64_t, int);
template std::int64_t gemm_workspace<float, BFloat16, float>(std::int64_t, std::int64_t,
                                                             std::int64_t, int);
template std::int64_t gemm_workspace<float, BFloat16, BFloat16>(std::int64_t, std::int64_t,
                                                                std::int64_t, int);

}  // namespace peryton::kernels
