// SPDX-License-Identifier: Apache-2.0
#include <dnnl.h>

#include "kernels/common/argument_error.h"
#include "kernels/gemm/gemm.h"

namespace peryton::kernels::cpu {

template <>
void gemm_tile<float>(const GemmArgs<float>& args) {
  if (args.m == 0 || args.n == 0) return;
  stay_on_this_thread();
  const dnnl_status_t status =
      dnnl_sgemm(args.transpose_a ? 'T' : 'N', args.transpose_b ? 'T' : 'N', args.m, args.n, args.k,
                 args.alpha, args.a, args.lda, args.b, args.ldb, args.beta, args.c, args.ldc);
  require(status == dnnl_success, "gemm", "oneDNN refused m=", args.m, " n=", args.n,
          " k=", args.k);
}

template <>
void gemm_tile<double>(const GemmArgs<double>& args) {
  for (std::int64_t i = 0; i < args.m; ++i) {
    double* c = args.c + i * args.ldc;
    for (std::int64_t j = 0; j < args.n; ++j) c[j] = args.beta == 0 ? 0 : args.beta * c[j];
    for (std::int64_t p = 0; p < args.k; ++p) {
      const double a = args.alpha * args.a[args.transpose_a ? p * args.lda + i : i * args.lda + p];
      const double* b = args.transpose_b ? args.b + p : args.b + p * args.ldb;
      const std::int64_t step = args.transpose_b ? args.ldb : 1;
      for (std::int64_t j = 0; j < args.n; ++j) c[j] += a * b[j * step];
    }
  }
}

}  // namespace peryton::kernels::cpu
