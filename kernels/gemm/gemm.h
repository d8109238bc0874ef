// General matrix multiply, row-major:  C = alpha * op(A) * op(B) + beta * C [+ bias],  op(X) = X or
// X^T. op(A) is [m, k], op(B) is [k, n], C is [m, n], bias [n]; leading dimensions are in elements.
// With beta = 0 what C held is not read. A and B may be bfloat16, widened to float while they are
// packed; where bf16_dots asks for it, floats are rounded to bfloat16 instead.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "kernels/common/context.h"

namespace peryton::kernels {

template <class T, class A = T, class B = T>
struct GemmArgs {
  bool transpose_a = false;
  bool transpose_b = false;
  std::int64_t m, n, k;
  T alpha = 1;
  const A* a;
  std::int64_t lda;
  const B* b;
  std::int64_t ldb;
  T beta = 0;
  T* c;
  std::int64_t ldc;
  const T* bias = nullptr;
  // A and B are rounded to bfloat16, and the processor's bf16 dot products multiply them; sums are
  // float. Only where has_bf16_dots(). Fewer than eight rows are multiplied without.
  bool bf16_dots = false;
  T* workspace = nullptr;  // gemm_workspace() elements; gemm() only
};

// Elements of T that gemm<T, A, B>() needs on a team of this size: none for what runs without
// panels (a few rows of float, double).
template <class T = float, class A = T, class B = T>
std::int64_t gemm_workspace(std::int64_t m, std::int64_t n, std::int64_t k, int threads);

// Whether this processor has AVX512_BF16, the build knows it and PERYTON_MAX_ISA allows it.
bool has_bf16_dots();

namespace cpu {

// On the calling thread, for use inside the tasks of other kernels; no bias. Float runs on oneDNN,
// double is a plain loop.
template <class T>
void gemm_tile(const GemmArgs<T>& args);

// Over the thread team. Work is cut by shape alone and every element of C is summed in one order,
// so the bits do not depend on the number of threads. T = float with A and B each float or
// BFloat16, or all three double (a plain loop for tests and solvers, without a workspace).
template <class T, class A, class B>
void gemm(const GemmArgs<T, A, B>& args, const Context& context);

}  // namespace cpu
}  // namespace peryton::kernels
