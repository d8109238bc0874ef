// SPDX-License-Identifier: Apache-2.0
#include "framework/ops/arithmetic.h"

#include <algorithm>

#include "framework/ops/matrix.h"
#include "kernels/elementwise/elementwise.h"

namespace peryton {
namespace {

// sum_i c_i fit(x_i) on plain tensors.
Tensor weighted_sum_of(const kernels::Context& context, const std::vector<Tensor>& terms,
                       const std::vector<double>& c, std::int64_t width) {
  Shape shape = terms.front().shape();
  shape[-1] = width;
  const Tensor out = Tensor::empty(terms.front().dtype(), shape);
  dispatch_float(out.dtype(), "weighted_sum", [&](auto tag) {
    using T = typename decltype(tag)::type;
    std::vector<kernels::WeightedSumTerm<T>> list;
    for (std::size_t i = 0; i < terms.size(); ++i) {
      const Tensor rows = terms[i].rows();
      list.push_back(
          {rows.data<T>(), rows.size(1), rows.stride(0), static_cast<compute_t<T>>(c[i])});
    }
    const Tensor rows = out.rows();
    kernels::cpu::weighted_sum<T>({.terms = list.data(),
                                   .count = static_cast<std::int64_t>(list.size()),
                                   .out = rows.data<T>(),
                                   .rows = rows.size(0),
                                   .width = width,
                                   .stride = rows.stride(0)},
                                  context);
  });
  return out;
}

void copy_columns(const kernels::Context& context, const Tensor& from, const Tensor& to) {
  dispatch_float(to.dtype(), "split_columns", [&](auto tag) {
    using T = typename decltype(tag)::type;
    const Tensor source = from.rows(), target = to.rows();
    const kernels::WeightedSumTerm<T> term{source.data<T>(), source.size(1), source.stride(0),
                                           compute_t<T>(1)};
    kernels::cpu::weighted_sum<T>({.terms = &term,
                                   .count = 1,
                                   .out = target.data<T>(),
                                   .rows = target.size(0),
                                   .width = target.size(1),
                                   .stride = target.stride(0)},
                                  context);
  });
}

double dot(const kernels::Context& context, const Tensor& a, const Tensor& b, std::int64_t width) {
  const Tensor x = a.rows(), y = b.rows();
  return dispatch_float(a.dtype(), "dot", [&](auto tag) {
    using T = typename decltype(tag)::type;
    return kernels::cpu::dot<T>({.a = x.data<T>(),
                                 .b = y.data<T>(),
                                 .rows = x.size(0),
                                 .width = width,
                                 .a_stride = x.stride(0),
                                 .b_stride = y.stride(0)},
                                context);
  });
}

// Adds c_i d to the gradients of the terms in `slots` and returns sum d values_i for each; `values`
// is empty if nobody asks for that.
std::vector<double> weighted_sum_gradient(Tape& tape, const Tensor& d_out,
                                          const std::vector<GradientSlot>& slots,
                                          const std::vector<Tensor>& values,
                                          const std::vector<double>& c) {
  std::vector<Tensor> gradients(slots.size());
  std::vector<double> slopes(values.size());
  const auto count = static_cast<std::int64_t>(slots.size());
  const Tensor workspace = Tensor::empty(DType::kFloat64, {kernels::weighted_sum_workspace(count)});
  dispatch_float(d_out.dtype(), "weighted_sum", [&](auto tag) {
    using T = typename decltype(tag)::type;
    std::vector<kernels::WeightedSumGradientTerm<T>> list(slots.size());
    for (std::size_t i = 0; i < slots.size(); ++i) {
      list[i].width = slots[i].shape()[-1];
      list[i].coefficient = static_cast<compute_t<T>>(c[i]);
      if (slots[i].needs_gradient() && c[i] != 0) {
        gradients[i] = Tensor::empty(d_out.dtype(), slots[i].shape());
        list[i].d_x = gradients[i].rows().template data<T>();
        list[i].d_stride = list[i].width;
      }
      if (values.empty()) continue;
      const Tensor rows = values[i].rows();
      list[i].x = rows.data<T>();
      list[i].stride = rows.stride(0);
    }
    const Tensor rows = d_out.rows();
    kernels::cpu::weighted_sum_backward<T>({.terms = list.data(),
                                            .count = count,
                                            .d_out = rows.data<T>(),
                                            .rows = rows.size(0),
                                            .width = rows.size(1),
                                            .stride = rows.stride(0),
                                            .slopes = slopes.empty() ? nullptr : slopes.data(),
                                            .workspace = workspace.data<double>()},
                                           tape.context());
  });
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (gradients[i].defined()) tape.add_gradient(slots[i], gradients[i]);
  }
  return slopes;
}

double element(const Tensor& vector, std::int64_t i) { return vector.slice(0, i, i + 1).item(); }

}  // namespace

Variable add(Tape& tape, const Variable& a, const Variable& b) {
  PERYTON_CHECK(a.shape() == b.shape() && a.dtype() == b.dtype(), "add: {} and {}",
                a.shape().text(), b.shape().text());
  const Tensor out = weighted_sum_of(tape.context(), {a.value(), b.value()}, {1, 1}, a.size(-1));
  return tape.record(out, {a, b}, [to_a = a.slot(), to_b = b.slot(), &tape](const Tensor& d) {
    tape.add_gradient(to_a, d);
    tape.add_gradient(to_b, d);
  });
}

Variable slice_last(Tape& tape, const Variable& x, std::int64_t begin, std::int64_t end) {
  return tape.record(
      x.value().slice(-1, begin, end), {x},
      [=, &tape, to = x.slot()](const Tensor& d) { tape.add_gradient_slice(to, d, begin); });
}

std::vector<Variable> split_columns(Tape& tape, const Variable& x,
                                    const std::vector<std::int64_t>& widths) {
  struct Collected {
    Tensor d_x;
    std::vector<bool> written;
  };
  const auto collected = std::make_shared<Collected>();
  collected->written.resize(widths.size());
  const Shape shape = x.shape();
  const DType dtype = x.dtype();
  // Runs after the pieces, which are recorded after it.
  const Variable whole = tape.record(x.value(), {x}, [=, &tape, to = x.slot()](const Tensor& d_x) {
    std::int64_t begin = 0;
    for (std::size_t i = 0; i < widths.size(); begin += widths[i++]) {
      if (!collected->written[i]) d_x.slice(-1, begin, begin + widths[i]).fill(0);
    }
    tape.add_gradient(to, d_x);
  });
  std::vector<Variable> pieces;
  std::int64_t begin = 0;
  for (std::size_t i = 0; i < widths.size(); begin += widths[i++]) {
    const std::int64_t end = begin + widths[i];
    const auto backward = [=, &tape, to = whole.slot()](const Tensor& d) {
      if (!collected->d_x.defined()) {
        collected->d_x = Tensor::empty(dtype, shape);
        tape.add_gradient(to, collected->d_x);
      }
      copy_columns(tape.context(), d, collected->d_x.slice(-1, begin, end));
      collected->written[i] = true;
    };
    pieces.push_back(tape.record(x.value().slice(-1, begin, end), {whole}, backward));
  }
  PERYTON_CHECK(begin == x.size(-1), "pieces of {} of {}", begin, x.shape().text());
  return pieces;
}

Variable reshape(Tape& tape, const Variable& x, const Shape& shape) {
  return tape.record(x.value().reshape(shape), {x}, [to = x.slot(), &tape](const Tensor& d) {
    tape.add_gradient(to, d.as_contiguous().reshape(to.shape()));
  });
}

Variable split_last(Tape& tape, const Variable& x, std::initializer_list<std::int64_t> sizes) {
  return tape.record(x.value().split_last(sizes), {x}, [to = x.slot(), &tape](const Tensor& d) {
    tape.add_gradient(to, d.as_contiguous().reshape(to.shape()));
  });
}

Variable cast(Tape& tape, const Variable& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  return tape.record(x.value().to(dtype), {x}, [to = x.slot(), &tape](const Tensor& d) {
    tape.add_gradient(to, d.to(to.dtype()));
  });
}

Variable weighted_sum(Tape& tape, const std::vector<Variable>& terms, const Variable& coefficients,
                      std::int64_t width) {
  PERYTON_CHECK(!terms.empty() &&
                coefficients.value().elements() == static_cast<std::int64_t>(terms.size()));
  const kernels::Context context = tape.context();
  std::vector<double> c;
  std::vector<Tensor> values;
  std::vector<GradientSlot> slots;
  for (std::size_t i = 0; i < terms.size(); ++i) {
    c.push_back(element(coefficients.value(), static_cast<std::int64_t>(i)));
    values.push_back(terms[i].value());
    slots.push_back(terms[i].slot());
  }
  std::vector<Variable> inputs = terms;
  inputs.push_back(coefficients);
  const Tensor out = weighted_sum_of(context, values, c, width);
  if (!coefficients.needs_gradient()) values.clear();
  return tape.record(out, inputs, [=, &tape, to_c = coefficients.slot()](const Tensor& d) {
    const std::vector<double> slopes =
        weighted_sum_gradient(tape, d.as_contiguous(), slots, values, c);
    if (slopes.empty()) return;
    const Tensor target = tape.gradient_to_add_into(to_c);
    for (std::size_t i = 0; i < slopes.size(); ++i) {
      const auto at = static_cast<std::int64_t>(i);
      target.slice(0, at, at + 1).fill(element(target, at) + slopes[i]);
    }
  });
}

Variable projection(Tape& tape, const Variable& x, const Tensor& weights) {
  PERYTON_CHECK(x.shape() == weights.shape() && x.dtype() == weights.dtype());
  const double value = dot(tape.context(), x.value(), weights, x.size(-1));
  const Tensor out = Tensor::full(compute_dtype(x.dtype()), {1}, value);
  return tape.record(out, {x}, [=, &tape, to = x.slot()](const Tensor& d) {
    tape.add_gradient(to, weighted_sum_of(tape.context(), {weights}, {d.item()}, weights.size(-1)));
  });
}

}  // namespace peryton
