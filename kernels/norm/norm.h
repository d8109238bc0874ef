// Normalisation over the last dimension. Layer norm (Ba, Kiros and Hinton 2016):
//
//   x^ = (x - mean) * rstd,  rstd = 1 / sqrt(var + eps),  var the biased variance;  y = x^ * w + b
//
// Root-mean-square norm (Zhang and Sennrich 2019) is the same with mean = 0: rstd = 1 /
// sqrt(mean(x^2)
// + eps). It is what args without a place for the means get.
//
// Backward, with g = d_y * w and means over the row:
//   d_x = rstd * (g - mean(g) - x^ * mean(g * x^)),  d_w = sum over rows of d_y * x^,  d_b = sum of
//   d_y;  mean(g) is left out without means
//
// Statistics are in float for float and bfloat16, in double for double. Rows may be strided.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "kernels/common/context.h"
#include "kernels/common/dtype.h"

namespace peryton::kernels {

template <class T>
struct NormForwardArgs {
  T* output;           // [rows, width]
  const T* input;      // [rows, width]
  const T* weight;     // [width]
  const T* bias;       // [width] or null
  compute_t<T>* mean;  // [rows], or null: root mean square
  compute_t<T>* rstd;  // [rows]
  std::int64_t rows, width;
  std::int64_t output_stride, input_stride;
  double eps;
  // A residual branch that joins first: x = input + addend, which is written to `sum`; both are
  // [rows, width] without gaps. Null: x = input.
  const T* addend = nullptr;
  T* sum = nullptr;
};

template <class T>
struct NormBackwardArgs {
  T* d_input;                // [rows, width] or null; overwritten; may be d_output
  compute_t<T>* d_weight;    // [width] or null; overwritten
  compute_t<T>* d_bias;      // [width] or null; overwritten
  const T* d_output;         // [rows, width]
  const T* input;            // [rows, width]
  const T* weight;           // [width]
  const compute_t<T>* mean;  // [rows] from the forward, or null
  const compute_t<T>* rstd;  // [rows]
  compute_t<T>*
      workspace;  // norm_workspace(rows, width) elements; unused without d_weight and d_bias
  std::int64_t rows, width;
  std::int64_t d_input_stride, d_output_stride, input_stride;
  // What reaches x by other ways, added to d_input; [rows, width] without gaps, or null.
  const T* d_sum = nullptr;
};

// Elements of the workspace of the backward: one partial d_weight and d_bias per block of rows.
std::int64_t norm_workspace(std::int64_t rows, std::int64_t width);

namespace cpu {

// Instantiated for float, BFloat16 and double.
template <class T>
void norm_forward(const NormForwardArgs<T>& args, const Context& context);
template <class T>
void norm_backward(const NormBackwardArgs<T>& args, const Context& context);

namespace reference {
template <class T>
void norm_forward(const NormForwardArgs<T>& args, const Context& context);
template <class T>
void norm_backward(const NormBackwardArgs<T>& args, const Context& context);
}  // namespace reference

}  // namespace cpu
}  // namespace peryton::kernels
