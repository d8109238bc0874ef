// dz = beta d_y T: a few rows of T at a time are expanded to bfloat16, which holds -1, 0 and 1
// exactly, and multiplied in float.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "kernels/gemm/gemm.h"
#include "kernels/ternary_gemm/ternary_gemm.h"

namespace peryton::kernels {
namespace {

// Fixed, so that no number of threads changes the order of a sum.
constexpr std::int64_t kRows = 256;

// In floats; a panel holds two elements in one.
std::int64_t panel_floats(const TernaryShape& shape) { return kRows * shape.columns / 2; }

}  // namespace

std::int64_t ternary_transposed_workspace(const TernaryShape& shape, std::int64_t tokens,
                                          const Context& context) {
  return panel_floats(shape) +
         gemm_workspace<float, float, BFloat16>(tokens, shape.columns, kRows, context.threads);
}

namespace cpu {
namespace {

void expand_rows(BFloat16* panel, const TernaryTransposedArgs& a, std::int64_t row,
                 std::int64_t rows, const Context& context) {
  parallel_blocks(context, rows, kTernaryTileRows, [&](std::int64_t begin, std::int64_t end) {
    ternary_expand<BFloat16>({.output = panel + begin * a.shape.columns,
                              .output_stride = a.shape.columns,
                              .packed = a.packed,
                              .shape = a.shape,
                              .row = row + begin,
                              .rows = end - begin,
                              .column = 0,
                              .columns = a.shape.columns,
                              .scale = 1});
  });
}

}  // namespace

void ternary_transposed_product(const TernaryTransposedArgs& a, const Context& context) {
  auto* panel = reinterpret_cast<BFloat16*>(a.workspace);
  for (std::int64_t row = 0; row < a.shape.rows; row += kRows) {
    const std::int64_t rows = std::min(kRows, a.shape.rows - row);
    expand_rows(panel, a, row, rows, context);
    gemm<float, float, BFloat16>({.m = a.tokens,
                                  .n = a.shape.columns,
                                  .k = rows,
                                  .alpha = a.beta,
                                  .a = a.d_output + row,
                                  .lda = a.d_output_stride,
                                  .b = panel,
                                  .ldb = a.shape.columns,
                                  .beta = row == 0 ? 0.0f : 1.0f,
                                  .c = a.output,
                                  .ldc = a.output_stride,
                                  .workspace = a.workspace + panel_floats(a.shape)},
                                 context);
  }
}

}  // namespace cpu
}  // namespace peryton::kernels
