// The executable definition of the activations and of the gated linear unit.
// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <numbers>

#include "kernels/activation/activation.h"
#include "kernels/activation/glu.h"
#include "kernels/common/dtype.h"

namespace peryton::kernels::cpu::reference {
namespace {

template <class C>
struct ValueAndSlope {
  C value, slope;
};

template <class C>
C logistic(C x) {
  return 1 / (1 + std::exp(-x));
}

template <class C>
ValueAndSlope<C> evaluate(Activation kind, C x) {
  switch (kind) {
    case Activation::kGeluErf: {
      const C phi = std::erfc(-x / std::numbers::sqrt2_v<C>) / 2;
      const C density =
          std::exp(-x * x / 2) * std::numbers::inv_sqrtpi_v<C> / std::numbers::sqrt2_v<C>;
      return {x * phi, phi + x * density};
    }
    case Activation::kGeluTanh: {
      const C scale = std::numbers::sqrt2_v<C> * std::numbers::inv_sqrtpi_v<C>;
      const C cubic = static_cast<C>(0.044715);
      const C s = logistic(2 * scale * (x + cubic * x * x * x));
      return {x * s, s + x * s * (1 - s) * 2 * scale * (1 + 3 * cubic * x * x)};
    }
    case Activation::kSilu: {
      const C s = logistic(x);
      return {x * s, s * (1 + x * (1 - s))};
    }
    case Activation::kRelu:
      return {x > 0 ? x : 0, static_cast<C>(x > 0 ? 1 : 0)};
    case Activation::kRelu2:
      return {x > 0 ? x * x : 0, x > 0 ? 2 * x : 0};
    case Activation::kSigmoid: {
      const C s = logistic(x);
      return {s, s * (1 - s)};
    }
  }
  throw ArgumentError("activation", "unknown kind ", static_cast<int>(kind));
}

}  // namespace

template <class T>
void activation_forward(const ActivationForwardArgs<T>& a, const Context& context) {
  using C = compute_t<T>;
  parallel_for(context, a.rows, [&](std::int64_t row) {
    const T* input = a.input + row * a.input_stride;
    T* output = a.output + row * a.output_stride;
    for (std::int64_t i = 0; i < a.width; ++i) {
      output[i] = static_cast<T>(evaluate<C>(a.kind, static_cast<C>(input[i])).value);
    }
  });
}

template <class T>
void activation_backward(const ActivationBackwardArgs<T>& a, const Context& context) {
  using C = compute_t<T>;
  parallel_for(context, a.rows, [&](std::int64_t row) {
    const T* input = a.input + row * a.input_stride;
    const T* d_output = a.d_output + row * a.d_output_stride;
    T* d_input = a.d_input + row * a.d_input_stride;
    for (std::int64_t i = 0; i < a.width; ++i) {
      const C slope = evaluate<C>(a.kind, static_cast<C>(input[i])).slope;
      d_input[i] = static_cast<T>(static_cast<C>(d_output[i]) * slope);
    }
  });
}

template <class T>
void glu_forward(const GluForwardArgs<T>& a, const Context& context) {
  using C = compute_t<T>;
  parallel_for(context, a.rows, [&](std::int64_t row) {
    const T* gate = a.gate + row * a.gate_stride;
    const T* value = a.value + row * a.value_stride;
    for (std::int64_t i = 0; i < a.width; ++i) {
      const C open = evaluate<C>(a.kind, static_cast<C>(gate[i])).value;
      a.output[row * a.output_stride + i] = static_cast<T>(open * static_cast<C>(value[i]));
    }
  });
}

template <class T>
void glu_backward(const GluBackwardArgs<T>& a, const Context& context) {
  using C = compute_t<T>;
  parallel_for(context, a.rows, [&](std::int64_t row) {
    for (std::int64_t i = 0; i < a.width; ++i) {
      const auto [open, slope] =
          evaluate<C>(a.kind, static_cast<C>(a.gate[row * a.gate_stride + i]));
      const C value = static_cast<C>(a.value[row * a.value_stride + i]);
      const C d = static_cast<C>(a.d_output[row * a.d_output_stride + i]);
      if (a.d_value != nullptr) a.d_value[row * a.d_value_stride + i] = static_cast<T>(d * open);
      if (a.d_gate == nullptr) continue;
      a.d_gate[row * a.d_gate_stride + i] = static_cast<T>(d * value * slope);
    }
  });
}

#define PERYTON_INSTANTIATE(T)                                                          \
  template void glu_forward<T>(const GluForwardArgs<T>&, const Context&);               \
  template void glu_backward<T>(const GluBackwardArgs<T>&, const Context&);             \
  template void activation_forward<T>(const ActivationForwardArgs<T>&, const Context&); \
  template void activation_backward<T>(const ActivationBackwardArgs<T>&, const Context&);
PERYTON_INSTANTIATE(float)
PERYTON_INSTANTIATE(BFloat16)
PERYTON_INSTANTIATE(double)
#undef PERYTON_INSTANTIATE

}  // namespace peryton::kernels::cpu::reference
