// SPDX-License-Identifier: Apache-2.0
#include "framework/ops/norm.h"

#include "kernels/norm/norm.h"

namespace peryton {
namespace {

struct Slots {
  GradientSlot x, weight, bias;
};

struct Saved {
  Tensor x, weight;
  Tensor mean;  // undefined: root mean square
  Tensor rstd;
};

DType statistics_dtype(DType dtype) {
  return dtype == DType::kFloat64 ? DType::kFloat64 : DType::kFloat32;
}

Tensor forward(const Variable& x, const Variable& bias, double eps, const Saved& saved,
               const kernels::Context& context) {
  Tensor y = Tensor::empty(x.dtype(), x.shape());
  const Tensor input = x.value().rows(), output = y.rows();
  const Tensor addend = bias.defined() ? bias.value().to(x.dtype()) : Tensor();
  dispatch_float(x.dtype(), "norm", [&](auto tag) {
    using T = typename decltype(tag)::type;
    using C = compute_t<T>;
    kernels::cpu::norm_forward<T>({.output = output.data<T>(),
                                   .input = input.data<T>(),
                                   .weight = saved.weight.data<T>(),
                                   .bias = addend.defined() ? addend.data<T>() : nullptr,
                                   .mean = static_cast<C*>(saved.mean.raw()),
                                   .rstd = saved.rstd.data<C>(),
                                   .rows = input.size(0),
                                   .width = input.size(1),
                                   .output_stride = output.stride(0),
                                   .input_stride = input.stride(0),
                                   .eps = eps},
                                  context);
  });
  return y;
}

void backward(Tape& tape, const Slots& to, const Saved& saved, const Tensor& d_y) {
  const Tensor input = saved.x.rows(), d_output = d_y.as_contiguous().rows();
  const DType sums = statistics_dtype(saved.x.dtype());
  Tensor d_x, d_weight, d_bias, workspace;
  if (to.x.needs_gradient()) d_x = Tensor::empty(saved.x.dtype(), saved.x.shape());
  if (to.weight.needs_gradient()) d_weight = Tensor::empty(sums, to.weight.shape());
  if (to.bias.needs_gradient()) d_bias = Tensor::empty(sums, to.bias.shape());
  if (d_weight.defined() || d_bias.defined()) {
    workspace = Tensor::empty(sums, {kernels::norm_workspace(input.size(0), input.size(1))});
  }
  dispatch_float(saved.x.dtype(), "norm", [&](auto tag) {
    using T = typename decltype(tag)::type;
    using C = compute_t<T>;
    kernels::cpu::norm_backward<T>({.d_input = static_cast<T*>(d_x.raw()),
                                    .d_weight = static_cast<C*>(d_weight.raw()),
                                    .d_bias = static_cast<C*>(d_bias.raw()),
                                    .d_output = d_output.data<T>(),
                                    .input = input.data<T>(),
                                    .weight = saved.weight.data<T>(),
                                    .mean = static_cast<C*>(saved.mean.raw()),
                                    .rstd = saved.rstd.data<C>(),
                                    .workspace = static_cast<C*>(workspace.raw()),
                                    .rows = input.size(0),
                                    .width = input.size(1),
                                    .d_input_stride = input.size(1),
                                    .d_output_stride = d_output.stride(0),
                                    .input_stride = input.stride(0)},
                                   tape.context());
  });
  if (d_x.defined()) tape.add_gradient(to.x, d_x);
  if (d_weight.defined()) tape.add_gradient(to.weight, d_weight);
  if (d_bias.defined()) tape.add_gradient(to.bias, d_bias);
}

Variable normalise(Tape& tape, const Variable& x, const Variable& weight, const Variable& bias,
                   double eps, bool centre) {
  PERYTON_CHECK(weight.shape() == Shape({x.size(-1)}), "norm of {} with weight {}",
                x.shape().text(), weight.shape().text());
  PERYTON_CHECK(!bias.defined() || bias.shape() == weight.shape());
  const Shape rows = {x.value().elements() / x.size(-1)};
  const DType dtype = statistics_dtype(x.dtype());
  const Saved saved{x.value(), weight.value().to(x.dtype()),
                    centre ? Tensor::empty(dtype, rows) : Tensor(), Tensor::empty(dtype, rows)};
  Tensor y = forward(x, bias, eps, saved, tape.context());
  const auto run_backward = [&tape, to = Slots{x, weight, bias}, saved](const Tensor& d_y) {
    backward(tape, to, saved, d_y);
  };
  return tape.record(std::move(y), {x, weight, bias}, run_backward);
}

}  // namespace

Variable layer_norm(Tape& tape, const Variable& x, const Variable& weight, const Variable& bias,
                    double eps) {
  return normalise(tape, x, weight, bias, eps, true);
}

Variable rms_norm(Tape& tape, const Variable& x, const Variable& weight, const Variable& bias,
                  double eps) {
  return normalise(tape, x, weight, bias, eps, false);
}

}  // namespace peryton
