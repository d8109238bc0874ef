// SPDX-License-Identifier: Apache-2.0
#include "framework/ops/bit_linear.h"

#include <algorithm>

#include "framework/ops/bit_linear_rows.h"
#include "framework/ops/matrix.h"
#include "framework/ops/ternary_product.h"

namespace peryton {
namespace {

// One layer as the backward pass needs it.
struct Layer {
  GradientSlot weight, gain;
  Tensor gain_value;  // float32 (or the compute dtype without quantisation); undefined: ones
  Tensor dense;       // W, without quantisation
  TernaryPtr ternary;
  std::int64_t out = 0, begin = 0;  // columns of y
};

struct Saved {
  Tensor x;     // as given; dropped after the forward pass if no gradient needs it
  DType dtype;  // of x
  Tensor rstd;  // [rows] in the compute dtype; undefined without norm
  std::vector<Layer> layers;
  BitLinearOptions options;
};

// What gradients are computed in.
DType wide_dtype(const Saved& saved) {
  const bool exact = !saved.options.quantise && saved.dtype == DType::kFloat64;
  return exact ? DType::kFloat64 : DType::kFloat32;
}

// What is quantised has numerics of its own: its products are not rounded to bf16.
kernels::Context unrounded(kernels::Context context) {
  context.bf16_dots = false;
  return context;
}

void forward_layer(const kernels::Context& context, const Saved& saved, const Layer& layer,
                   const QuantisedRows& rows, const Tensor& y) {
  if (!saved.options.quantise) {
    const Tensor z = normalised_rows(context, saved.x, layer.gain_value, saved.rstd);
    matrix_product(unrounded(context), z, layer.dense, y, {.transpose_b = true});
  } else {
    ternary_product(context, rows, *layer.ternary, y);
  }
}

Tensor forward(const kernels::Context& context, Saved& saved, std::int64_t out) {
  const Tensor x = saved.x.rows();
  const DType dtype =
      saved.options.quantise && x.dtype() == DType::kFloat64 ? DType::kFloat32 : x.dtype();
  const Tensor y = Tensor::empty(dtype, {x.size(0), out});
  if (saved.options.norm) {
    saved.rstd = Tensor::empty(wide_dtype(saved), {x.size(0)});
    if (!saved.options.quantise) fill_rstd(context, saved.x, saved.options.eps, saved.rstd);
  }
  QuantisedRows rows;
  const Tensor* quantised_for = nullptr;  // layers without a gain share the rows
  for (const Layer& layer : saved.layers) {
    const bool shared =
        quantised_for != nullptr && !quantised_for->defined() && !layer.gain_value.defined();
    if (saved.options.quantise && !shared) {
      rows = quantise_rows(context, saved.x, layer.gain_value, saved.options, saved.rstd);
      quantised_for = &layer.gain_value;
    }
    forward_layer(context, saved, layer, rows, y.slice(1, layer.begin, layer.begin + layer.out));
  }
  return y.to(saved.x.dtype());
}

// beta T' dy, or W' dy.
Tensor input_gradient(const kernels::Context& context, const Layer& layer, const Tensor& d_y) {
  if (layer.ternary != nullptr) return transposed_ternary_product(context, d_y, *layer.ternary);
  const Tensor d_z = Tensor::empty(d_y.dtype(), {d_y.size(0), layer.dense.size(1)});
  matrix_product(unrounded(context), d_y, layer.dense, d_z);
  return d_z;
}

void weight_gradient(Tape& tape, const Saved& saved, const Layer& layer, const Tensor& d_y) {
  const kernels::Context context = tape.context();
  const Tensor z =
      saved.options.quantise
          ? dequantised_rows(
                context, quantise_rows(context, saved.x, layer.gain_value, saved.options, Tensor()),
                saved.x.size(-1))
          : normalised_rows(context, saved.x, layer.gain_value, saved.rstd);
  const Tensor gradient = tape.gradient_to_add_into(layer.weight);
  matrix_product(unrounded(context), d_y.to(gradient.dtype()), z.to(gradient.dtype()), gradient,
                 {.transpose_a = true, .accumulate = true});
}

void backward(Tape& tape, const GradientSlot& to_x, const Saved& saved, const Tensor& d_output) {
  const kernels::Context context = tape.context();
  const Tensor d_y = d_output.as_contiguous().rows().to(wide_dtype(saved));
  Tensor u;  // sum over layers of g * dz: the gradient that reaches the normalised row
  for (const Layer& layer : saved.layers) {
    const Tensor part = d_y.slice(1, layer.begin, layer.begin + layer.out);
    if (layer.weight.needs_gradient()) weight_gradient(tape, saved, layer, part);
    if (!to_x.needs_gradient() && !layer.gain.needs_gradient()) continue;
    const Tensor d_z = input_gradient(context, layer, part);
    if (layer.gain.needs_gradient()) {
      tape.add_gradient(layer.gain, gain_gradient(context, saved.x, saved.rstd, d_z));
    }
    if (to_x.needs_gradient()) u = add_scaled(context, u, d_z, layer.gain_value);
  }
  if (!to_x.needs_gradient()) return;
  const Tensor d_x = saved.options.norm ? norm_gradient(context, saved.x, saved.rstd, u) : u;
  tape.add_gradient(to_x, d_x.to(to_x.dtype()).reshape(to_x.shape()));
}

Layer layer_of(const BitLinearTerm& term, const Saved& saved, std::int64_t begin) {
  const Tensor& weight = term.weight.value();
  PERYTON_CHECK(weight.rank() == 2 && weight.size(1) == saved.x.size(-1),
                "bit_linear: x {}, weight {}", saved.x.shape().text(), weight.shape().text());
  PERYTON_CHECK((term.ternary != nullptr) == saved.options.quantise);
  PERYTON_CHECK(!term.gain.defined() || saved.options.norm, "a gain without a norm");
  Layer layer{term.weight, term.gain, {}, {}, term.ternary, weight.size(0), begin};
  if (term.gain.defined()) layer.gain_value = term.gain.value().to(wide_dtype(saved));
  if (term.ternary == nullptr) layer.dense = weight.to(wide_dtype(saved));
  return layer;
}

}  // namespace

Variable bit_linears(Tape& tape, const Variable& x, const std::vector<BitLinearTerm>& terms,
                     const BitLinearOptions& options) {
  Saved saved{x.value(), x.dtype(), {}, {}, options};
  std::vector<Variable> inputs{x};
  std::int64_t out = 0;
  for (const BitLinearTerm& term : terms) {
    saved.layers.push_back(layer_of(term, saved, out));
    out += saved.layers.back().out;
    inputs.push_back(term.weight);
    if (term.gain.defined()) inputs.push_back(term.gain);
  }
  Shape shape = x.shape();
  shape[-1] = out;
  const Tensor y = forward(tape.context(), saved, out).reshape(shape);
  const auto trains = [](const BitLinearTerm& term) { return term.weight.needs_gradient(); };
  if (!options.norm && std::ranges::none_of(terms, trains)) saved.x = Tensor();
  const auto run_backward = [&tape, to_x = x.slot(), saved](const Tensor& d_y) {
    backward(tape, to_x, saved, d_y);
  };
  return tape.record(y, inputs, run_backward);
}

Variable bit_linear(Tape& tape, const Variable& x, const BitLinearTerm& layer,
                    const BitLinearOptions& options) {
  return bit_linears(tape, x, {layer}, options);
}

}  // namespace peryton
