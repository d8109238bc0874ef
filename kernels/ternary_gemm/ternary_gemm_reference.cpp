// The executable definition of the integer product.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/ternary_gemm/ternary_gemm.h"

namespace peryton::kernels::cpu::reference {

template <class T>
void ternary_gemm(const TernaryGemmArgs<T>& a, const Context& context) {
  parallel_for(context, a.tokens * a.shape.rows, [&](std::int64_t i) {
    const std::int64_t token = i / a.shape.rows, row = i % a.shape.rows;
    std::int64_t c = 0;
    for (std::int64_t j = 0; j < a.shape.columns; ++j) {
      const int code = a.packed[a.shape.byte_of(row, j)] >> TernaryShape::shift_of(j) & 3;
      c += (code - 1) * a.q[token * a.q_stride + j];
    }
    T& output = a.output[token * a.output_stride + row];
    if constexpr (std::is_same_v<T, std::int32_t>) {
      output = static_cast<std::int32_t>(c);
    } else {
      output = static_cast<T>(static_cast<float>(c) * a.scales[token] * a.beta);
    }
  });
}
template void ternary_gemm<float>(const TernaryGemmArgs<float>&, const Context&);
template void ternary_gemm<BFloat16>(const TernaryGemmArgs<BFloat16>&, const Context&);
template void ternary_gemm<std::int32_t>(const TernaryGemmArgs<std::int32_t>&, const Context&);

}  // namespace peryton::kernels::cpu::reference
