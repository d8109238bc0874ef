// SPDX-License-Identifier: Apache-2.0
#include "framework/ops/glu.h"

#include "kernels/activation/glu.h"

namespace peryton {
namespace {

Tensor forward(const Tensor& gate, const Tensor& value, Activation kind,
               const kernels::Context& context) {
  const Tensor y = Tensor::empty(gate.dtype(), gate.shape());
  const Tensor g = gate.rows(), v = value.rows(), output = y.rows();
  dispatch_float(y.dtype(), "glu", [&](auto tag) {
    using T = typename decltype(tag)::type;
    kernels::cpu::glu_forward<T>({.kind = kind,
                                  .output = output.data<T>(),
                                  .gate = g.data<T>(),
                                  .value = v.data<T>(),
                                  .rows = g.size(0),
                                  .width = g.size(1),
                                  .output_stride = output.stride(0),
                                  .gate_stride = g.stride(0),
                                  .value_stride = v.stride(0)},
                                 context);
  });
  return y;
}

struct Gradients {
  Tensor gate, value;
};

void backward(const Tensor& gate, const Tensor& value, const Tensor& d_y, Activation kind,
              const Gradients& to, const kernels::Context& context) {
  const Tensor g = gate.rows(), v = value.rows(), d = d_y.as_contiguous().rows();
  dispatch_float(gate.dtype(), "glu", [&](auto tag) {
    using T = typename decltype(tag)::type;
    kernels::cpu::glu_backward<T>({.kind = kind,
                                   .d_gate = static_cast<T*>(to.gate.raw()),
                                   .d_value = static_cast<T*>(to.value.raw()),
                                   .d_output = d.data<T>(),
                                   .gate = g.data<T>(),
                                   .value = v.data<T>(),
                                   .rows = g.size(0),
                                   .width = g.size(1),
                                   .d_gate_stride = g.size(1),
                                   .d_value_stride = g.size(1),
                                   .d_output_stride = d.stride(0),
                                   .gate_stride = g.stride(0),
                                   .value_stride = v.stride(0)},
                                  context);
  });
}

}  // namespace

Variable glu(Tape& tape, const Variable& gate, const Variable& value, Activation kind) {
  PERYTON_CHECK(gate.shape() == value.shape() && gate.dtype() == value.dtype(), "glu of {} and {}",
                gate.shape().text(), value.shape().text());
  const auto run_backward = [&tape, kind, to_gate = gate.slot(), to_value = value.slot(),
                             saved_gate = gate.value(),
                             saved_value = value.value()](const Tensor& d_y) {
    const auto room = [&](const GradientSlot& slot) {
      return slot.needs_gradient() ? Tensor::empty(slot.dtype(), slot.shape()) : Tensor();
    };
    const Gradients d{room(to_gate), room(to_value)};
    backward(saved_gate, saved_value, d_y, kind, d, tape.context());
    if (d.gate.defined()) tape.add_gradient(to_gate, d.gate);
    if (d.value.defined()) tape.add_gradient(to_value, d.value);
  };
  return tape.record(forward(gate.value(), value.value(), kind, tape.context()), {gate, value},
                     run_backward);
}

}  // namespace peryton
