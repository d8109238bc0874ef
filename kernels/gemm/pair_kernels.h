// Products of panels of bfloat16 pairs, which processors with bf16 dot products multiply twice as
// fast as floats. Two depths of a line lie side by side: a panel is [depth / 2][lines of a
// panel][2], an odd depth filled up with zeros. Elements are the bits of BFloat16.
//   sum[i, j] = sum over pairs p of A[i, 2p + 1] B[2p + 1, j], then A[i, 2p] B[2p, j]
// in float; subnormal numbers may count as zero.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "kernels/gemm/panels.h"

namespace peryton::kernels::cpu {

using PairProduct = PanelProductOf<std::uint16_t>;

struct PairKernels {
  const char* name;
  PanelShape shape;
  // As multiply_panels() does; k counts depths, not pairs. Where a_stride is not 0, A is row-major
  // and m any number: an odd k is filled up with a zero in every row, and memory can be read up to
  // a whole panel of rows. An odd k below b_depth multiplies that zero by B's next depth.
  void (*multiply)(const PairProduct& product);
};

// The definition, for tests on any processor.
const PairKernels* reference_pair_kernels();
// Null where the compiler or the architecture has none.
const PairKernels* avx512_pair_kernels();

}  // namespace peryton::kernels::cpu
