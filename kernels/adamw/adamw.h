// The fused AdamW update of a contiguous range, and the sum of squares behind gradient norms.
//
//   g := gradient_scale * gradient
//   w := w (1 - decay)                                   decay = learning rate * weight decay
//   m := m + (1 - beta1) (g - m)
//   v := beta2 v + (1 - beta2) g g
//   w := w - step_size * m / (sqrt(v) * inverse_root_correction + epsilon)
// with step_size = learning rate / (1 - beta1^t), inverse_root_correction = 1 / sqrt(1 - beta2^t).
// Every operation is rounded by itself in T, so every instruction set and number of threads gives
// the same bits.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "kernels/common/context.h"

namespace peryton::kernels {

template <class T>
struct AdamWArgs {
  T* weights;
  const T* gradients;
  T* moment1;
  T* moment2;
  std::int64_t count;
  double gradient_scale, decay, beta1, beta2, epsilon, step_size, inverse_root_correction;
};

// Sum of squares by fixed blocks: partials[b] = sum over block b of x^2, in double.
template <class T>
struct SquaresArgs {
  const T* values;
  std::int64_t count;
  double* partials;  // [square_blocks(count)]
};
inline constexpr std::int64_t kSquareBlock = 4096;
inline std::int64_t square_blocks(std::int64_t count) { return divide_up(count, kSquareBlock); }

namespace cpu {
// float: SIMD; double: the reference.
void adamw(const AdamWArgs<float>& args, const Context& context);
void adamw(const AdamWArgs<double>& args, const Context& context);
// The definition, element by element.
template <class T>
void adamw_reference(const AdamWArgs<T>& args, const Context& context);

// Within a block: eight interleaved sums, then a fixed tree over them.
template <class T>
void square_partials(const SquaresArgs<T>& args, const Context& context);
}  // namespace cpu

// Sum of `count` numbers by the fixed binary tree that splits at the largest power of two below
// count.
double tree_sum(const double* values, std::int64_t count);

}  // namespace peryton::kernels
