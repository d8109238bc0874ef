// Rotary position embedding in halves (Su et al. 2021, the layout of GPT-NeoX and Llama). In each
// head the first 2 h of `width` elements turn with the row's position p; element j pairs with
// element j + h:
//
//   y[j]     = x[j] cos(p f_j) - x[j + h] sin(p f_j)
//   y[j + h] = x[j + h] cos(p f_j) + x[j] sin(p f_j),   f_j = base^(-j / h),  0 <= j < h
//
// The other elements are copied. The backward is the rotation by -p, times the same scale.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "kernels/common/context.h"
#include "kernels/common/dtype.h"

namespace peryton::kernels {

// Fills cosine and sine [positions, half] with scale * cos(p f_j) and scale * sin(p f_j); angles
// are in double.
template <class C>
struct RotaryTableArgs {
  C* cosine;
  C* sine;
  std::int64_t positions, half;
  double base;
  double scale;                         // attention_scaling of extended contexts, else 1
  const double* frequencies = nullptr;  // [half], f_j of extended contexts; null: from the base
};

template <class T>
struct RotaryArgs {
  T* output;                     // [rows, heads, width]; may be the input
  const T* input;                // [rows, heads, width]
  const compute_t<T>* cosine;    // [positions, half], of RotaryTableArgs
  const compute_t<T>* sine;      // [positions, half]
  const std::int32_t* position;  // [rows], each below the positions of the table
  std::int64_t rows, heads, width, half;
  std::int64_t output_row_stride, output_head_stride;
  std::int64_t input_row_stride, input_head_stride;
  bool inverse;  // rotates back: the backward
};

namespace cpu {

// Instantiated for float and double.
template <class C>
void rotary_table(const RotaryTableArgs<C>& args, const Context& context);

// Instantiated for float, BFloat16 and double.
template <class T>
void rotary(const RotaryArgs<T>& args, const Context& context);

namespace reference {
template <class T>
void rotary(const RotaryArgs<T>& args, const Context& context);
}  // namespace reference

}  // namespace cpu
}  // namespace peryton::kernels
