// Cuts the integer product into blocks, chooses the instruction set, and scales the sums.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>
#include <utility>

#include "hwy/highway.h"
#include "kernels/common/isa.h"
#include "kernels/ternary_gemm/dispatch.h"
#include "kernels/ternary_gemm/permute_product.h"
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

// AMD's cores do one VPDPBUSD of 512 bits a cycle and one VPERMW beside an addition (Zen 4,
// measured), so permutes do half as much again. Intel's servers do two VPDPBUSD a cycle.
bool prefers_permutes() {
#if defined(__x86_64__)
  return __builtin_cpu_is("amd") != 0;
#else
  return false;
#endif
}

}  // namespace

std::array<const Kernels*, 4> available_kernels() {
  std::array<const Kernels*, 4> found{};
  std::size_t count = 0;
  if (vnni_kernels() != nullptr && has_vnni()) {
    found[count++] = vnni_kernels();
    found[count++] = vnni_permute_kernels();
    if (prefers_permutes()) std::swap(found[0], found[1]);
  }
  if (avx2_kernels() != nullptr && has_avx2()) found[count++] = avx2_kernels();
  found[count] = portable_kernels();
  return found;
}

std::int64_t workspace_bytes(const Kernels& kernels, const TernaryShape& shape,
                             std::int64_t tokens) {
  if (uses_permutes(kernels, shape, tokens)) return permute_workspace(shape);
  return uses_tables(kernels, shape, tokens) ? table_workspace(shape) : 0;
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

// All tokens against one row tile, which stays in the nearest cache meanwhile.
template <class T>
void run_vectors(const TernaryGemmArgs<T>& a, const Kernels& kernels, std::int64_t row_tile) {
  const std::int64_t row = row_tile * kTernaryTileRows;
  const std::int64_t rows = std::min(kTernaryTileRows, a.shape.rows - row);
  for (std::int64_t token = 0; token < a.tokens; ++token) {
    std::int32_t sums[kTernaryTileRows] = {};
    kernels.vector({a.packed + row_tile * a.shape.row_tile_bytes(), a.shape.column_tiles(),
                    a.q + token * a.q_stride, sums});
    store_sums(a, token, row, rows, sums, a.sums[token]);
  }
}

template <class T>
void multiply_vectors(const Kernels& kernels, const TernaryGemmArgs<T>& a, const Context& context) {
  if (a.tokens == 0) return;
  parallel_blocks(context, a.shape.row_tiles(), kVectorTilesPerTask,
                  [&](std::int64_t begin, std::int64_t end) {
                    for (std::int64_t i = begin; i < end; ++i) run_vectors(a, kernels, i);
                  });
}

template <class T>
void multiply_blocks(const Kernels& kernels, const TernaryGemmArgs<T>& a, const Context& context) {
  const std::int64_t row_blocks = divide_up(a.shape.row_tiles(), kBlockRowTiles);
  const std::int64_t token_blocks = divide_up(a.tokens, kBlockTokens);
  parallel_for(context, row_blocks * token_blocks, [&](std::int64_t task) {
    run_block(a, kernels, task % row_blocks * kBlockRowTiles, task / row_blocks * kBlockTokens);
  });
}

// Most of many tokens by kernels that need the workspace; returns how many.
template <class T>
std::int64_t multiply_many(const Kernels& kernels, const TernaryGemmArgs<T>& a,
                           const Context& context) {
  if (a.workspace == nullptr) return 0;
  if (uses_permutes(kernels, a.shape, a.tokens)) {
    multiply_by_permutes(*kernels.find_permutes(), a, context);
    return a.tokens / kPermuteTokens * kPermuteTokens;
  }
  if (uses_tables(kernels, a.shape, a.tokens)) {
    multiply_by_tables(*kernels.find_tables(), a, context);
    return a.tokens / kTableTokens * kTableTokens;
  }
  return 0;
}

}  // namespace

template <class T>
void gemm_on(const Kernels& kernels, const TernaryGemmArgs<T>& args, const Context& context) {
  require(args.shape.columns <= kTernaryMaxColumns, "ternary_gemm", args.shape.columns,
          " columns are too many for exact sums");
  require(args.q_stride >= args.shape.padded_columns(), "ternary_gemm", "rows of q are ",
          args.q_stride, " long, not ", args.shape.padded_columns());
  const std::int64_t done = multiply_many(kernels, args, context);
  TernaryGemmArgs<T> rest = args;
  rest.output += done * args.output_stride;
  rest.q += done * args.q_stride;
  rest.sums += done;
  rest.scales += args.scales != nullptr ? done : 0;
  rest.tokens -= done;
  rest.tokens <= kernels.vector_tokens ? multiply_vectors(kernels, rest, context)
                                       : multiply_blocks(kernels, rest, context);
}

using Of = const Kernels&;
template void gemm_on<float>(Of, const TernaryGemmArgs<float>&, const Context&);
template void gemm_on<BFloat16>(Of, const TernaryGemmArgs<BFloat16>&, const Context&);
template void gemm_on<std::int32_t>(Of, const TernaryGemmArgs<std::int32_t>&, const Context&);

}  // namespace ternary

namespace {

// Asked once: what a processor has takes tens of microseconds to find out on a virtual machine,
// longer than a small product.
const ternary::Kernels& best_kernels() {
  static const ternary::Kernels* const best = ternary::available_kernels().front();
  return *best;
}

}  // namespace

std::int64_t ternary_gemm_workspace(const TernaryShape& shape, std::int64_t tokens) {
  return ternary::workspace_bytes(best_kernels(), shape, tokens);
}

namespace cpu {

template <class T>
void ternary_gemm(const TernaryGemmArgs<T>& args, const Context& context) {
  ternary::gemm_on(best_kernels(), args, context);
}

template void ternary_gemm<float>(const TernaryGemmArgs<float>&, const Context&);
template void ternary_gemm<BFloat16>(const TernaryGemmArgs<BFloat16>&, const Context&);
template void ternary_gemm<std::int32_t>(const TernaryGemmArgs<std::int32_t>&, const Context&);

}  // namespace cpu
}  // namespace peryton::kernels
