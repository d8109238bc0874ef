// Gated linear unit: one half of a projection opens or shuts the other.
//
//   y = f(gate) value
//   d_value = d_y f(gate),  d_gate = d_y value f'(gate)
//
// Shazeer, "GLU variants improve Transformer" (2020); f is an activation, silu in SwiGLU.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "kernels/activation/activation.h"

namespace peryton::kernels {

// Strides are between rows, in elements; a row is contiguous. Output may be gate or value.
template <class T>
struct GluForwardArgs {
  Activation kind;
  T* output;
  const T* gate;
  const T* value;
  std::int64_t rows, width;
  std::int64_t output_stride, gate_stride, value_stride;
};

// d_gate and d_value may be null: not wanted. Either may be d_output, gate or value.
template <class T>
struct GluBackwardArgs {
  Activation kind;
  T* d_gate;
  T* d_value;
  const T* d_output;
  const T* gate;
  const T* value;
  std::int64_t rows, width;
  std::int64_t d_gate_stride, d_value_stride, d_output_stride, gate_stride, value_stride;
};

namespace cpu {

// Instantiated for float, BFloat16 and double.
template <class T>
void glu_forward(const GluForwardArgs<T>& args, const Context& context);
template <class T>
void glu_backward(const GluBackwardArgs<T>& args, const Context& context);

namespace reference {
template <class T>
void glu_forward(const GluForwardArgs<T>& args, const Context& context);
template <class T>
void glu_backward(const GluBackwardArgs<T>& args, const Context& context);
}  // namespace reference

}  // namespace cpu
}  // namespace peryton::kernels
