// SPDX-License-Identifier: Apache-2.0
#include "framework/ops/fused_linear.h"

#include "framework/ops/matrix.h"

namespace peryton {
namespace {

// One term as the backward needs it.
struct Part {
  GradientSlot weight, bias;
  Tensor saved_weight;
  std::int64_t begin, end;  // its columns of the result
};

std::int64_t inputs_of(const Tensor& weight, WeightLayout layout) {
  return weight.size(layout == WeightLayout::kOutIn ? 1 : 0);
}
std::int64_t outputs_of(const Tensor& weight, WeightLayout layout) {
  return weight.size(layout == WeightLayout::kOutIn ? 0 : 1);
}

std::vector<Part> parts_of(const Variable& x, const std::vector<LinearTerm>& terms,
                           WeightLayout layout) {
  std::vector<Part> parts;
  std::int64_t begin = 0;
  for (const LinearTerm& term : terms) {
    const Tensor& weight = term.weight.value();
    PERYTON_CHECK(weight.rank() == 2 && inputs_of(weight, layout) == x.size(-1),
                  "linear: x {}, weight {}", x.shape().text(), weight.shape().text());
    const std::int64_t end = begin + outputs_of(weight, layout);
    parts.push_back({term.weight, term.bias, x.needs_gradient() ? weight : Tensor(), begin, end});
    begin = end;
  }
  return parts;
}

// dW = d^T x or x^T d, added to the weight's gradient.
void add_weight_gradient(Tape& tape, const Part& part, const Tensor& d, const Tensor& x,
                         WeightLayout layout) {
  const bool out_in = layout == WeightLayout::kOutIn;
  matrix_product(tape.context(), out_in ? d : x, out_in ? x : d,
                 tape.gradient_to_add_into(part.weight), {.transpose_a = true, .accumulate = true});
}

}  // namespace

Variable fused_linear(Tape& tape, const Variable& x, const std::vector<LinearTerm>& terms,
                      WeightLayout layout) {
  const std::vector<Part> parts = parts_of(x, terms, layout);
  Shape shape = x.shape();
  shape[-1] = parts.back().end;
  const Tensor y = Tensor::empty(x.dtype(), shape), rows = y.rows();
  const bool out_in = layout == WeightLayout::kOutIn;
  std::vector<Variable> inputs{x};
  bool trains = false;
  for (std::size_t i = 0; i < terms.size(); ++i) {
    const Tensor columns = rows.slice(1, parts[i].begin, parts[i].end);
    matrix_product(tape.context(), x.value().rows(), terms[i].weight.value(), columns,
                   {.transpose_b = out_in,
                    .bias = terms[i].bias.defined() ? terms[i].bias.value() : Tensor()});
    inputs.push_back(terms[i].weight);
    inputs.push_back(terms[i].bias);
    trains = trains || terms[i].weight.needs_gradient();
  }
  const Tensor saved_x = trains ? x.value() : Tensor();
  return tape.record(y, inputs, [=, &tape, to_x = x.slot()](const Tensor& d_y) {
    const Tensor d_rows = d_y.as_contiguous().rows();
    Tensor d_x;
    if (to_x.needs_gradient()) d_x = Tensor::empty(compute_dtype(to_x.dtype()), to_x.shape());
    for (const Part& part : parts) {
      const Tensor d = d_rows.slice(1, part.begin, part.end);
      if (d_x.defined()) {
        matrix_product(tape.context(), d, part.saved_weight, d_x.rows(),
                       {.transpose_b = !out_in, .accumulate = part.begin > 0});
      }
      if (part.weight.needs_gradient()) {
        add_weight_gradient(tape, part, d, saved_x.rows(), layout);
      }
      if (part.bias.needs_gradient()) {
        add_column_sums(tape.context(), d, tape.gradient_to_add_into(part.bias));
      }
    }
    if (d_x.defined()) tape.add_gradient(to_x, d_x.to(to_x.dtype()));
  });
}

}  // namespace peryton
