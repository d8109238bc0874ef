// SPDX-License-Identifier: Apache-2.0
#include "framework/ops/activation.h"

#include <array>
#include <utility>

namespace peryton {
namespace {

Tensor forward(const Tensor& x, Activation kind, const kernels::Context& context) {
  Tensor y = Tensor::empty(x.dtype(), x.shape());
  const Tensor input = x.rows(), output = y.rows();
  dispatch_float(x.dtype(), "activation", [&](auto tag) {
    using T = typename decltype(tag)::type;
    kernels::cpu::activation_forward<T>({.kind = kind,
                                         .output = output.data<T>(),
                                         .input = input.data<T>(),
                                         .rows = input.size(0),
                                         .width = input.size(1),
                                         .output_stride = output.stride(0),
                                         .input_stride = input.stride(0)},
                                        context);
  });
  return y;
}

Tensor backward(const Tensor& x, const Tensor& d_y, Activation kind,
                const kernels::Context& context) {
  Tensor d_x = Tensor::empty(x.dtype(), x.shape());
  const Tensor input = x.rows(), d_output = d_y.as_contiguous().rows(), d_input = d_x.rows();
  dispatch_float(x.dtype(), "activation", [&](auto tag) {
    using T = typename decltype(tag)::type;
    kernels::cpu::activation_backward<T>({.kind = kind,
                                          .d_input = d_input.data<T>(),
                                          .d_output = d_output.data<T>(),
                                          .input = input.data<T>(),
                                          .rows = input.size(0),
                                          .width = input.size(1),
                                          .d_input_stride = d_input.stride(0),
                                          .d_output_stride = d_output.stride(0),
                                          .input_stride = input.stride(0)},
                                         context);
  });
  return d_x;
}

}  // namespace

Variable activation(Tape& tape, const Variable& x, Activation kind) {
  const auto run_backward = [&tape, to_x = x.slot(), saved = x.value(), kind](const Tensor& d_y) {
    tape.add_gradient(to_x, backward(saved, d_y, kind, tape.context()));
  };
  return tape.record(forward(x.value(), kind, tape.context()), {x}, run_backward);
}

std::optional<Activation> activation_named(std::string_view name) {
  static constexpr std::array<std::pair<std::string_view, Activation>, 10> kNames{{
      {"gelu", Activation::kGeluErf},
      {"gelu_python", Activation::kGeluErf},
      {"gelu_new", Activation::kGeluTanh},
      {"gelu_fast", Activation::kGeluTanh},
      {"gelu_pytorch_tanh", Activation::kGeluTanh},
      {"silu", Activation::kSilu},
      {"swish", Activation::kSilu},
      {"relu", Activation::kRelu},
      {"relu2", Activation::kRelu2},
      {"sigmoid", Activation::kSigmoid},
  }};
  for (const auto& [known, kind] : kNames) {
    if (known == name) return kind;
  }
  return std::nullopt;
}

}  // namespace peryton
