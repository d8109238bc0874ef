// Root-mean-square normalisation over the last dimension (Zhang and Sennrich 2019):
//
//   x^ = x * rstd,  rstd = 1 / sqrt(mean(x^2) + eps);  y = x^ * w + b  (b usually absent)
//
// Backward, with g = d_y * w and means over the row:
//   d_x = rstd * (g - x^ * mean(g * x^)),  d_w = sum over rows of d_y * x^,  d_b = sum of d_y
//
// Statistics are in float for float and bfloat16, in double for double. Rows may be strided.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "kernels/common/context.h"
#include "kernels/common/dtype.h"

namespace peryton::kernels {

template <class T>
struct RmsNormForwardArgs {
  T* output;           // [rows, width]
  const T* input;      // [rows, width]
  const T* weight;     // [width]
  const T* bias;       // [width] or null
  compute_t<T>* rstd;  // [rows]
  std::int64_t rows, width;
  std::int64_t output_stride, input_stride;
  double eps;
};

template <class T>
struct RmsNormBackwardArgs {
  T* d_input;                // [rows, width] or null; overwritten; may be d_output
  compute_t<T>* d_weight;    // [width] or null; overwritten
  compute_t<T>* d_bias;      // [width] or null; overwritten
  const T* d_output;         // [rows, width]
  const T* input;            // [rows, width]
  const T* weight;           // [width]
  const compute_t<T>* rstd;  // [rows], from the forward
  compute_t<T>*
      workspace;  // rms_norm_workspace(rows, width) elements; unused without d_weight and d_bias
  std::int64_t rows, width;
  std::int64_t d_input_stride, d_output_stride, input_stride;
};

// Elements of the workspace of the backward: one partial d_weight and d_bias per block of rows.
std::int64_t rms_norm_workspace(std::int64_t rows, std::int64_t width);

namespace cpu {

// Instantiated for float, BFloat16 and double.
template <class T>
void rms_norm_forward(const RmsNormForwardArgs<T>& args, const Context& context);
template <class T>
void rms_norm_backward(const RmsNormBackwardArgs<T>& args, const Context& context);

namespace reference {
template <class T>
void rms_norm_forward(const RmsNormForwardArgs<T>& args, const Context& context);
template <class T>
void rms_norm_backward(const RmsNormBackwardArgs<T>& args, const Context& context);
}  // namespace reference

}  // namespace cpu
}  // namespace peryton::kernels
