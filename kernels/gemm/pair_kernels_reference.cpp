// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <bit>

#include "kernels/common/context.h"
#include "kernels/gemm/pair_kernels.h"

namespace peryton::kernels::cpu {
namespace {

constexpr PanelShape kReferenceShape = {12, 32};

float widened(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

// One row of A, its pairs `step` halves apart, with a panel of B. The columns are the inner loop:
// with one sum at a time g++ 12 vectorises the pair's two additions from -O2 on, and gets them
// wrong.
void dot_row(const std::uint16_t* a, std::int64_t step, const std::uint16_t* b, std::int64_t pairs,
             float* sums) {
  for (std::int64_t p = 0; p < pairs; ++p) {
    const float first = widened(a[0]), second = widened(a[1]);
    for (std::int64_t j = 0; j < kReferenceShape.columns; ++j) {
      sums[j] = sums[j] + second * widened(b[2 * j + 1]);
      sums[j] = sums[j] + first * widened(b[2 * j]);
    }
    a += step;
    b += 2 * kReferenceShape.columns;
  }
}

void multiply_reference(const PairProduct& p) {
  const std::int64_t pairs = divide_up(p.k, 2);
  const std::int64_t depth = round_up(p.b_depth == 0 ? p.k : p.b_depth, 2);
  for (std::int64_t i = 0; i < p.m; ++i) {
    const std::int64_t row = i % kReferenceShape.rows;
    const bool packed = p.a_stride == 0;
    const std::uint16_t* a = p.a + (packed ? 2 * ((i - row) * pairs + row) : i * p.a_stride);
    const std::int64_t step = packed ? 2 * kReferenceShape.rows : 2;
    for (std::int64_t j = 0; j < p.n; j += kReferenceShape.columns) {
      float sums[kReferenceShape.columns] = {};
      dot_row(a, step, p.b + j * depth, pairs, sums);
      for (std::int64_t l = 0; l < std::min(kReferenceShape.columns, p.n - j); ++l) {
        float& c = p.c[i * p.ldc + j + l];
        c = p.beta == 0 ? p.alpha * sums[l] : p.beta * c + p.alpha * sums[l];
        if (p.bias != nullptr) c += p.bias[j + l];
      }
    }
  }
}

}  // namespace

const PairKernels* reference_pair_kernels() {
  static constexpr PairKernels kernels{"reference", kReferenceShape, multiply_reference};
  return &kernels;
}

}  // namespace peryton::kernels::cpu
