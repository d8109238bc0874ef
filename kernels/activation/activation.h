// Pointwise activations.
//
//   gelu_erf   y = x Phi(x),  Phi(x) = (1 + erf(x / sqrt 2)) / 2
//   gelu_tanh  y = x s(2 u),  u = sqrt(2 / pi) (x + 0.044715 x^3),  s the logistic function
//   silu       y = x s(x)
//   relu       y = max(x, 0)
//   relu2      y = max(x, 0)^2
//   sigmoid    y = s(x)
//
// Hendrycks and Gimpel, "Gaussian error linear units" (2016); the tanh form is the one that GPT-2
// uses.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "kernels/common/context.h"

namespace peryton::kernels {

enum class Activation : std::uint8_t { kGeluErf, kGeluTanh, kSilu, kRelu, kRelu2, kSigmoid };

// Strides are between rows, in elements; a row is contiguous. Output may be the input.
template <class T>
struct ActivationForwardArgs {
  Activation kind;
  T* output;
  const T* input;
  std::int64_t rows, width;
  std::int64_t output_stride, input_stride;
};

// d_input = d_output * y'(input); d_input may be d_output.
template <class T>
struct ActivationBackwardArgs {
  Activation kind;
  T* d_input;
  const T* d_output;
  const T* input;
  std::int64_t rows, width;
  std::int64_t d_input_stride, d_output_stride, input_stride;
};

namespace cpu {

// Instantiated for float, BFloat16 and double.
template <class T>
void activation_forward(const ActivationForwardArgs<T>& args, const Context& context);
template <class T>
void activation_backward(const ActivationBackwardArgs<T>& args, const Context& context);

namespace reference {
template <class T>
void activation_forward(const ActivationForwardArgs<T>& args, const Context& context);
template <class T>
void activation_backward(const ActivationBackwardArgs<T>& args, const Context& context);
}  // namespace reference

}  // namespace cpu
}  // namespace peryton::kernels
