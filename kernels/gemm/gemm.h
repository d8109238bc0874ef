// General matrix multiply, row-major:  C = alpha * op(A) * op(B) + beta * C,  op(X) = X or X^T.
// op(A) is [m, k], op(B) is [k, n], C is [m, n]; leading dimensions are in elements. With beta = 0
// what C held is not read. Float runs on oneDNN, one thread a call; double is a plain loop for
// tests and solvers.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "kernels/common/context.h"

namespace peryton::kernels {

template <class T>
struct GemmArgs {
  bool transpose_a = false;
  bool transpose_b = false;
  std::int64_t m, n, k;
  T alpha = 1;
  const T* a;
  std::int64_t lda;
  const T* b;
  std::int64_t ldb;
  T beta = 0;
  T* c;
  std::int64_t ldc;
};

namespace cpu {

// On the calling thread: for use inside the tasks of other kernels. Instantiated for float and
// double.
template <class T>
void gemm_tile(const GemmArgs<T>& args);

// Cut into fixed tiles of C over the thread team; the bits do not depend on the number of threads.
template <class T>
void gemm(const GemmArgs<T>& args, const Context& context);

}  // namespace cpu
}  // namespace peryton::kernels
