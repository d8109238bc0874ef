// Cuts the integer product into blocks, chooses the instruction set, and scales the sums.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>

#include "hwy/highway.h"
#include "kernels/common/isa.h"
#include "kernels/ternary_gemm/dispatch.h"
#include "kernels/ternary_gemm/store_sums.h"
#include "kernels/ternary_gemm/table_product.h"

namespace peryton::kernels {
namespace ternary {
namespace {

bool has_vnni() {
#if defined(__x86_64__)
  return (supported_targets() & HWY_AVX3) != 0 && __builtin_cpu_supports("avx512vnni");
#else
  return false;
#endif
}

bool has_avx2() {
#if defined(__x86_64__)
  return (supported_targets() & HWY_AVX2) != 0;
#else
  return false;
#endif
}

}  // namespace

std::array<const Kernels*, 3> available_kernels() {
  std::array<const Kernels*, 3> found{};
  std::size_t count = 0;
  if (vnni_kernels() != nullptr && has_vnni()) found[count++] = vnni_kernels();
  if (avx2_kernels() != nullptr && has_avx2()) found[count++] = avx2_kernels();
  found[count] = portable_kernels();
  return found;
}

namespace {

constexpr std::int64_t kVectorTilesPerTask = 16;

template <class T>
void run_block(const TernaryGemmArgs<T>& a, const Kernels& kernels, std::int64_t row_tile,
               std::int64_t token) {
  alignas(64) std::int32_t sums[kBlockTokens * kBlockRows];
  alignas(64) std::uint8_t codes[kBlockRows * kBlockColumns];
  Block block{.packed = a.packed + row_tile * a.shape.row_tile_bytes(),
              .row_tile_bytes = a.shape.row_tile_bytes(),
              .row_tiles = std::min(kBlockRowTiles, a.shape.row_tiles() - row_tile),
              .column_tiles = 0,
              .q = a.q + token * a.q_stride,
              .q_stride = a.q_stride,
              .tokens = std::min(kBlockTokens, a.tokens - token),
              .sums = sums,
              .codes = codes};
  std::memset(sums, 0, sizeof sums);
  for (std::int64_t tile = 0; tile < a.shape.column_tiles(); tile += kBlockColumnTiles) {
    block.column_tiles = std::min(kBlockColumnTiles, a.shape.column_tiles() - tile);
    kernels.block(block);
    block.packed += block.column_tiles * kTernaryTileBytes;
    block.q += block.column_tiles * kTernaryTileColumns;
  }
  const std::int64_t row = row_tile * kTernaryTileRows;
  const std::int64_t rows = std::min(kBlockRows, a.shape.rows - row);
  for (std::int64_t t = 0; t < block.tokens; ++t) {
    store_sums(a, token + t, row, rows, sums + t * kBlockRows, a.sums[token + t]);
  }
}

template <class T>
void run_vector(const TernaryGemmArgs<T>& a, const Kernels& kernels, std::int64_t row_tile) {
  std::int32_t sums[kTernaryTileRows] = {};
  kernels.vector(
      {a.packed + row_tile * a.shape.row_tile_bytes(), a.shape.column_tiles(), a.q, sums});
  const std::int64_t row = row_tile * kTernaryTileRows;
  store_sums(a, 0, row, std::min(kTernaryTileRows, a.shape.rows - row), sums, a.sums[0]);
}

}  // namespace

template <class T>
void gemm_on(const Kernels& kernels, const TernaryGemmArgs<T>& args, const Context& context) {
  require(args.shape.columns <= kTernaryMaxColumns, "ternary_gemm", args.shape.columns,
          " columns are too many for exact sums");
  require(args.q_stride >= args.shape.padded_columns(), "ternary_gemm", "rows of q are ",
          args.q_stride, " long, not ", args.shape.padded_columns());
  const std::int64_t row_tiles = args.shape.row_tiles();
  if (args.tokens == 1) {
    parallel_blocks(context, row_tiles, kVectorTilesPerTask,
                    [&](std::int64_t begin, std::int64_t end) {
                      for (std::int64_t i = begin; i < end; ++i) run_vector(args, kernels, i);
                    });
    return;
  }
  std::int64_t first = 0;
  if (args.workspace != nullptr && uses_tables(kernels, args.shape, args.tokens)) {
    first = args.tokens / kTableTokens * kTableTokens;
    multiply_by_tables(*kernels.find_tables(), args, context);
  }
  const std::int64_t row_blocks = divide_up(row_tiles, kBlockRowTiles);
  const std::int64_t token_blocks = divide_up(args.tokens - first, kBlockTokens);
  parallel_for(context, row_blocks * token_blocks, [&](std::int64_t task) {
    run_block(args, kernels, task % row_blocks * kBlockRowTiles,
              first + task / row_blocks * kBlockTokens);
  });
}

using Of = const Kernels&;
template void gemm_on<float>(Of, const TernaryGemmArgs<float>&, const Context&);
template void gemm_on<BFloat16>(Of, const TernaryGemmArgs<BFloat16>&, const Context&);
template void gemm_on<std::int32_t>(Of, const TernaryGemmArgs<std::int32_t>&, const Context&);

}  // namespace ternary

std::int64_t ternary_gemm_workspace(const TernaryShape& shape, std::int64_t tokens) {
  const ternary::Kernels& kernels = *ternary::available_kernels().front();
  return ternary::uses_tables(kernels, shape, tokens) ? ternary::table_workspace(shape) : 0;
}

namespace cpu {

template <class T>
void ternary_gemm(const TernaryGemmArgs<T>& args, const Context& context) {
  ternary::gemm_on(*ternary::available_kernels().front(), args, context);
}

template void ternary_gemm<float>(const TernaryGemmArgs<float>&, const Context&);
template void ternary_gemm<BFloat16>(const TernaryGemmArgs<BFloat16>&, const Context&);
template void ternary_gemm<std::int32_t>(const TernaryGemmArgs<std::int32_t>&, const Context&);

}  // namespace cpu
}  // namespace peryton::kernels
