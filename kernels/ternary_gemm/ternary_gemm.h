// Products of 8-bit rows and a packed ternary matrix (kernels/ternary_pack), exact in integers:
//
//   c[t, i] = sum_j T[i, j] q[t, j] = sum_j code[i, j] q[t, j] - sum_j q[t, j]
//   y[t, i] = (float(c[t, i]) * scale[t]) * beta
//
// and the product with the transpose in floats, dz = beta d_y T, for the backward pass.
//
// Every path (portable, AVX2, AVX-512) gives the same integers and so the same floats.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "kernels/common/context.h"
#include "kernels/common/dtype.h"
#include "kernels/ternary_pack/ternary_pack.h"

namespace peryton::kernels {

// float(c) is exact while 127 columns < 2^24.
inline constexpr std::int64_t kTernaryMaxColumns = 132'104;

template <class T>
struct TernaryGemmArgs {
  T* output;  // [tokens, shape.rows]; T = std::int32_t receives c, for sums over tensor-parallel
              // ranks
  const std::uint8_t* packed;
  TernaryShape shape;
  const std::int8_t* q;      // [tokens, q_stride]; 0 from shape.columns to shape.padded_columns()
  const std::int32_t* sums;  // [tokens]: sum of q
  const float* scales;       // [tokens]; not read for std::int32_t
  float beta;
  std::int64_t tokens, output_stride, q_stride;
  // ternary_gemm_workspace(shape, tokens) bytes, 64-byte aligned; null: a slower path without it.
  void* workspace = nullptr;
};
std::int64_t ternary_gemm_workspace(const TernaryShape& shape, std::int64_t tokens);

struct TernaryTransposedArgs {
  float* output;          // [tokens, shape.columns]; overwritten
  const float* d_output;  // [tokens, shape.rows]
  const std::uint8_t* packed;
  TernaryShape shape;
  float beta;
  float* workspace;  // ternary_transposed_workspace() elements
  std::int64_t tokens, output_stride, d_output_stride;
};
std::int64_t ternary_transposed_workspace(const TernaryShape& shape, std::int64_t tokens,
                                          const Context& context);

namespace cpu {

// For float, BFloat16 and std::int32_t. Needs q_stride >= shape.padded_columns() and at most
// kTernaryMaxColumns columns.
template <class T>
void ternary_gemm(const TernaryGemmArgs<T>& args, const Context& context);

void ternary_transposed_product(const TernaryTransposedArgs& args, const Context& context);

namespace reference {
template <class T>
void ternary_gemm(const TernaryGemmArgs<T>& args, const Context& context);
}  // namespace reference

}  // namespace cpu
}  // namespace peryton::kernels
