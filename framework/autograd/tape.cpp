// SPDX-License-Identifier: Apache-2.0
#include "framework/autograd/tape.h"

#include <algorithm>

#include "kernels/elementwise/elementwise.h"

namespace peryton {
namespace {

void add_into(const kernels::Context& context, const Tensor& target, const Tensor& gradient) {
  const Tensor to = target.rows(), from = gradient.rows();
  dispatch_float(target.dtype(), "add_gradient", [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto call = [&](auto source_tag) {
      using S = typename decltype(source_tag)::type;
      kernels::cpu::add_into<T, S>({.target = to.data<T>(),
                                    .source = from.data<S>(),
                                    .rows = to.size(0),
                                    .width = to.size(1),
                                    .target_stride = to.stride(0),
                                    .source_stride = from.stride(0)},
                                   context);
    };
    dispatch_float(gradient.dtype(), "add_gradient", call);
  });
}

// a + b as a new tensor, in one pass.
Tensor sum(const kernels::Context& context, const Tensor& a, const Tensor& b) {
  const Tensor left = a.rows(), right = b.to(a.dtype()).rows();
  const Tensor result = Tensor::empty(a.dtype(), a.shape());
  dispatch_float(a.dtype(), "add_gradient", [&](auto tag) {
    using T = typename decltype(tag)::type;
    using C = compute_t<T>;
    const kernels::WeightedSumTerm<T> terms[] = {
        {left.data<T>(), left.size(1), left.stride(0), C(1)},
        {right.data<T>(), right.size(1), right.stride(0), C(1)}};
    kernels::cpu::weighted_sum<T>({.terms = terms,
                                   .count = 2,
                                   .out = result.data<T>(),
                                   .rows = left.size(0),
                                   .width = left.size(1),
                                   .stride = left.size(1)},
                                  context);
  });
  return result;
}

}  // namespace

Variable Tape::constant(Tensor value) {
  Variable variable;
  variable.slot_.state_ = std::make_shared<GradientSlot::State>();
  variable.slot_.state_->shape = value.shape();
  variable.slot_.state_->dtype = value.dtype();
  variable.value_ = std::move(value);
  return variable;
}

Variable Tape::input(Tensor value) {
  Variable variable = constant(std::move(value));
  variable.slot_.state_->needs_gradient = recording();
  variable.slot_.state_->keeps_gradient = true;
  return variable;
}

Variable Tape::parameter(Parameter& named) {
  Parameter& parameter = named.holder();
  Variable variable = constant(parameter.value);
  variable.slot_.state_->parameter = &parameter;
  if (!parameter.trainable) return variable;
  if (!recording()) touched_.push_back(&parameter);
  variable.slot_.state_->needs_gradient = recording();
  return variable;
}

Variable Tape::record(Tensor value, std::initializer_list<Variable> inputs, Backward backward) {
  return record(std::move(value), std::vector<Variable>(inputs), std::move(backward));
}

Variable Tape::record(Tensor value, const std::vector<Variable>& inputs, Backward backward) {
  Variable output = constant(std::move(value));
  if (!recording()) return output;
  const bool needed = std::ranges::any_of(inputs, &Variable::needs_gradient);
  if (!needed) return output;
  output.slot_.state_->needs_gradient = true;
  Entry entry{output.slot_.state_, {}, std::move(backward)};
  for (const Variable& input : inputs) {
    if (!input.needs_gradient()) continue;
    entry.inputs.push_back(input.slot_.state_);
    if (input.slot_.state_->parameter != nullptr) use(*input.slot_.state_->parameter);
  }
  entries_.push_back(std::move(entry));
  return output;
}

void Tape::add_gradient(const GradientSlot& slot, const Tensor& gradient) {
  if (!slot.needs_gradient()) return;
  GradientSlot::State& state = *slot.state_;
  PERYTON_CHECK(gradient.shape() == state.shape, "gradient {} of a variable {}",
                gradient.shape().text(), state.shape.text());
  if (state.parameter == nullptr && !state.gradient.defined()) {
    state.gradient = gradient;
    state.gradient_is_shared = true;
    return;
  }
  if (state.gradient_is_shared) {
    state.gradient = sum(context_, state.gradient, gradient);
    state.gradient_is_shared = false;
    return;
  }
  add_into(context_, gradient_to_add_into(slot), gradient.as_contiguous());
}

void Tape::add_gradient_slice(const GradientSlot& slot, const Tensor& gradient,
                              std::int64_t begin) {
  if (!slot.needs_gradient()) return;
  const Tensor target = gradient_to_add_into(slot);
  add_into(context_, target.slice(-1, begin, begin + gradient.size(-1)), gradient);
}

void Tape::add_gradient_rows(const GradientSlot& slot, const Tensor& gradient, std::int64_t rows) {
  if (!slot.needs_gradient()) return;
  add_into(context_, gradient_to_add_into(slot).slice(0, 0, rows), gradient);
}

Tensor Tape::gradient_to_add_into(const GradientSlot& slot) {
  GradientSlot::State& state = *slot.state_;
  PERYTON_CHECK(state.needs_gradient);
  if (state.parameter != nullptr) {
    PERYTON_CHECK(state.parameter->gradient.defined(), "trainable {} has no gradient slot",
                  state.parameter->name);
    return state.parameter->gradient;
  }
  if (!state.gradient.defined()) {
    state.gradient = Tensor::zeros(state.dtype, state.shape);
  } else if (state.gradient_is_shared) {
    state.gradient = state.gradient.contiguous_copy();
  }
  state.gradient_is_shared = false;
  return state.gradient;
}

void Tape::backward(const Variable& loss, double seed) {
  PERYTON_CHECK(loss.value().elements() == 1, "backward() needs a scalar loss");
  backward_from(loss, Tensor::full(loss.dtype(), loss.shape(), seed));
}

void Tape::backward_from(const Variable& variable, const Tensor& gradient) {
  if (!variable.needs_gradient()) return;
  add_gradient(variable, gradient);
  run_entries();
}

void Tape::run_entries() {
  while (!entries_.empty()) {
    Entry entry = std::move(entries_.back());
    entries_.pop_back();
    if (entry.output->gradient.defined()) {
      entry.backward(entry.output->gradient);
      if (!entry.output->keeps_gradient) entry.output->gradient = Tensor();
    }
    entry.backward = nullptr;
    for (const auto& input : entry.inputs) {
      if (input->parameter != nullptr) finished_use(*input->parameter);
    }
  }
}

void Tape::finished_use(Parameter& parameter) {
  const auto found = uses_.find(&parameter);
  PERYTON_CHECK(found != uses_.end());
  if (--found->second > 0) return;
  uses_.erase(found);
  if (gradient_ready_) gradient_ready_(parameter);
}

Variable Tape::recompute(const std::vector<Variable>& inputs, const Body& body) {
  if (!recording()) return body(*this, inputs);
  Tape dry(context_, Mode::kInference);
  std::vector<Variable> constants;
  for (const Variable& input : inputs) constants.push_back(dry.constant(input.value()));
  Tensor value = body(dry, constants).value();

  // The outer tape owns one use of every trainable parameter that the body reads.
  std::ranges::sort(dry.touched_);
  const auto repeated = std::ranges::unique(dry.touched_);
  dry.touched_.erase(repeated.begin(), repeated.end());
  std::vector<Variable> all_inputs = inputs;
  for (Parameter* read : dry.touched_) all_inputs.push_back(parameter(*read));

  return record(std::move(value), all_inputs, [this, inputs, body](const Tensor& d_output) {
    Tape inner(context_);
    std::vector<Variable> leaves;
    for (const Variable& input : inputs) {
      leaves.push_back(input.needs_gradient() ? inner.input(input.value())
                                              : inner.constant(input.value()));
    }
    inner.backward_from(body(inner, leaves), d_output);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (leaves[i].gradient().defined()) add_gradient(inputs[i], leaves[i].gradient());
    }
  });
}

}  // namespace peryton
