// The end of every path: integers to outputs.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <type_traits>

#include "kernels/ternary_gemm/ternary_gemm.h"

namespace peryton::kernels::ternary {

// Outputs [row, row + rows) of one token from sums[i] - offset.
template <class T>
void store_sums(const TernaryGemmArgs<T>& a, std::int64_t token, std::int64_t row,
                std::int64_t rows, const std::int32_t* sums, std::int32_t offset) {
  T* output = a.output + token * a.output_stride + row;
  if constexpr (std::is_same_v<T, std::int32_t>) {
    for (std::int64_t i = 0; i < rows; ++i) output[i] = sums[i] - offset;
  } else {
    const float scale = a.scales[token], beta = a.beta;
    for (std::int64_t i = 0; i < rows; ++i) {
      output[i] = static_cast<T>(static_cast<float>(sums[i] - offset) * scale * beta);
    }
  }
}

}  // namespace peryton::kernels::ternary
