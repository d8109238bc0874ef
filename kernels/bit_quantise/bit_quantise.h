// Row by row: RMS normalisation, gain and quantisation to 8 bits, the input side of a BitLinear.
// In float32 without fused multiply-adds, whatever the instruction set, so the results are the same
// bits everywhere:
//
//   S = sum x_j^2;   r = 1 / sqrt(S (1/n) + eps);   z_j = (x_j r) g_j
//   a = max(max_j |z_j|, 1e-5);   s = 127 / a;   d = a / 127
//   q_j = clip(round(z_j s), -127, 127);   dequantised: q_j d
//
// S is a fixed tree: within each block of 64 elements element j takes j + 32, then j + 16, ..., 1
// (elements past the end are zero); blocks are then added pairwise in index order, an odd last one
// moving up. A row with a NaN or an infinity gets d = NaN and q = 0, so what is made of it is NaN.
//
// Gradients pass straight through the rounding, the clip and the scale: those of RMS normalisation
// with weight g and row scale r (kernels/rms_norm).
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "kernels/common/context.h"
#include "kernels/common/dtype.h"

namespace peryton::kernels {

enum class RoundHalf : std::uint8_t { kEven, kAway };

template <class T>
struct BitQuantiseArgs {
  std::int8_t* q;     // [rows, q_stride]; columns from width on are set to 0
  float* scale;       // [rows]: d
  std::int32_t* sum;  // [rows]: sum of q
  float* rstd;        // [rows]: r; null without norm
  const T* input;     // [rows, width]
  const float* gain;  // [width], or null for ones
  std::int64_t rows, width, input_stride, q_stride;
  bool norm;  // false: z_j = x_j g_j
  double eps;
  RoundHalf rounding;
};

// output[r, j] = float(q[r, j]) * scale[r].
struct BitDequantiseArgs {
  float* output;  // [rows, width], rows side by side
  const std::int8_t* q;
  const float* scale;
  std::int64_t rows, width, q_stride;
};

namespace cpu {

// For float and BFloat16.
template <class T>
void bit_quantise(const BitQuantiseArgs<T>& args, const Context& context);
void bit_dequantise(const BitDequantiseArgs& args, const Context& context);

namespace reference {
template <class T>
void bit_quantise(const BitQuantiseArgs<T>& args, const Context& context);
}  // namespace reference

}  // namespace cpu
}  // namespace peryton::kernels
