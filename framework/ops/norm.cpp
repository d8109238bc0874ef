// SPDX-License-Identifier: Apache-2.0
#include "framework/ops/norm.h"

#include <memory>

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

// Of x, or of x + branch, which then is written to saved.x.
Tensor forward(const Tensor& x, const Tensor& branch, const Variable& bias, double eps,
               const Saved& saved, const kernels::Context& context) {
  Tensor y = Tensor::empty(x.dtype(), x.shape());
  const Tensor input = x.rows(), output = y.rows();
  const Tensor joins = branch.defined() ? branch.as_contiguous() : Tensor();
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
                                   .eps = eps,
                                   .addend = joins.defined() ? joins.data<T>() : nullptr,
                                   .sum = joins.defined() ? saved.x.data<T>() : nullptr},
                                  context);
  });
  return y;
}

// Returns d_x, with `other` added to it where that is defined.
Tensor backward(Tape& tape, const Slots& to, const Saved& saved, const Tensor& d_y,
                const Tensor& other) {
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
                                    .input_stride = input.stride(0),
                                    .d_sum = other.defined() ? other.data<T>() : nullptr},
                                   tape.context());
  });
  if (d_weight.defined()) tape.add_gradient(to.weight, d_weight);
  if (d_bias.defined()) tape.add_gradient(to.bias, d_bias);
  return d_x;
}

Saved saved_for(const Tensor& x, const Variable& weight, const Variable& bias, bool centre) {
  PERYTON_CHECK(weight.shape() == Shape({x.size(-1)}), "norm of {} with weight {}",
                x.shape().text(), weight.shape().text());
  PERYTON_CHECK(!bias.defined() || bias.shape() == weight.shape());
  const Shape rows = {x.elements() / x.size(-1)};
  const DType dtype = statistics_dtype(x.dtype());
  return {x, weight.value().to(x.dtype()), centre ? Tensor::empty(dtype, rows) : Tensor(),
          Tensor::empty(dtype, rows)};
}

Variable normalise(Tape& tape, const Variable& x, const Variable& weight, const Variable& bias,
                   double eps, bool centre) {
  const Saved saved = saved_for(x.value(), weight, bias, centre);
  Tensor y = forward(x.value(), Tensor(), bias, eps, saved, tape.context());
  const auto run_backward = [&tape, to = Slots{x, weight, bias}, saved](const Tensor& d_y) {
    const Tensor d_x = backward(tape, to, saved, d_y, Tensor());
    if (d_x.defined()) tape.add_gradient(to.x, d_x);
  };
  return tape.record(std::move(y), {x, weight, bias}, run_backward);
}

JoinedNorm join(Tape& tape, const Variable& a, const Variable& b, const Variable& weight,
                const Variable& bias, double eps, bool centre) {
  PERYTON_CHECK(a.shape() == b.shape() && a.dtype() == b.dtype(), "{} joins {}", b.shape().text(),
                a.shape().text());
  const Saved saved = saved_for(Tensor::empty(a.dtype(), a.shape()), weight, bias, centre);
  Tensor y = forward(a.value(), b.value(), bias, eps, saved, tape.context());
  // The norm goes back before the sum does, when all else that reaches the sum is there: it leaves
  // the whole gradient for it.
  const auto whole = std::make_shared<Tensor>();
  const Variable sum = tape.record(
      saved.x, {a, b}, [=, &tape, to_a = a.slot(), to_b = b.slot()](const Tensor& d_sum) {
        const Tensor& d = whole->defined() ? *whole : d_sum;
        tape.add_gradient(to_a, d);
        tape.add_gradient(to_b, d);
      });
  // The variable `sum` holds no more than saved.x, which the norm needs in any case.
  const auto run_backward = [=, &tape, to = Slots{sum, weight, bias}](const Tensor& d_y) {
    const Tensor& other = sum.gradient();
    const bool both = other.defined() && other.dtype() == saved.x.dtype();
    const Tensor d = backward(tape, to, saved, d_y, both ? other.as_contiguous() : Tensor());
    if (d.defined() && both) *whole = d;
    if (d.defined() && !both) tape.add_gradient(to.x, d);
  };
  return {sum, tape.record(std::move(y), {sum, weight, bias}, run_backward)};
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

JoinedNorm add_layer_norm(Tape& tape, const Variable& a, const Variable& b, const Variable& weight,
                          const Variable& bias, double eps) {
  return join(tape, a, b, weight, bias, eps, true);
}

JoinedNorm add_rms_norm(Tape& tape, const Variable& a, const Variable& b, const Variable& weight,
                        const Variable& bias, double eps) {
  return join(tape, a, b, weight, bias, eps, false);
}

}  // namespace peryton
