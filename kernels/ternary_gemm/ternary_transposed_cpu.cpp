// dz = beta d_y T: panels of the matrix are expanded to floats in cache and multiplied.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "kernels/gemm/gemm.h"
#include "kernels/ternary_gemm/ternary_gemm.h"

namespace peryton::kernels {
namespace {

// Fixed tiles, so that no number of threads changes the order of a sum.
constexpr std::int64_t kTokens = 256, kColumns = 512, kRows = 128;

}  // namespace

std::int64_t ternary_transposed_workspace(const Context& context) {
  return std::max(context.threads, 1) * kRows * kColumns;
}

namespace cpu {
namespace {

void run_tile(const TernaryTransposedArgs& a, std::int64_t token, std::int64_t column,
              float* panel) {
  const std::int64_t tokens = std::min(kTokens, a.tokens - token);
  const std::int64_t columns = std::min(kColumns, a.shape.columns - column);
  for (std::int64_t row = 0; row < a.shape.rows; row += kRows) {
    const std::int64_t rows = std::min(kRows, a.shape.rows - row);
    ternary_expand<float>({.output = panel,
                           .output_stride = kColumns,
                           .packed = a.packed,
                           .shape = a.shape,
                           .row = row,
                           .rows = rows,
                           .column = column,
                           .columns = columns,
                           .scale = a.beta});
    gemm_tile<float>({.transpose_a = false,
                      .transpose_b = false,
                      .m = tokens,
                      .n = columns,
                      .k = rows,
                      .alpha = 1,
                      .a = a.d_output + token * a.d_output_stride + row,
                      .lda = a.d_output_stride,
                      .b = panel,
                      .ldb = kColumns,
                      .beta = row == 0 ? 0.0f : 1.0f,
                      .c = a.output + token * a.output_stride + column,
                      .ldc = a.output_stride});
  }
}

}  // namespace

void ternary_transposed_product(const TernaryTransposedArgs& args, const Context& context) {
  const std::int64_t column_tiles = divide_up(args.shape.columns, kColumns);
  const std::int64_t token_tiles = divide_up(args.tokens, kTokens);
  parallel_for_worker(context, column_tiles * token_tiles, [&](std::int64_t task, int worker) {
    run_tile(args, task / column_tiles * kTokens, task % column_tiles * kColumns,
             args.workspace + worker * kRows * kColumns);
  });
}

}  // namespace cpu
}  // namespace peryton::kernels
