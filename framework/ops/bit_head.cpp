// SPDX-License-Identifier: Apache-2.0
#include "framework/ops/bit_head.h"

#include "framework/ops/bit_linear_rows.h"
#include "framework/ops/matrix.h"
#include "framework/ops/norm.h"

namespace peryton {
namespace {

// z~ = q d as a variable; the gradient passes as if it were z.
Variable quantised(Tape& tape, const Variable& x, const Variable& gain,
                   const BitLinearOptions& options) {
  const kernels::Context context = tape.context();
  const Tensor value = x.value();
  const Tensor gain_value = gain.defined() ? gain.value().to(DType::kFloat32) : Tensor();
  const Tensor rstd =
      options.norm ? Tensor::empty(DType::kFloat32, {value.elements() / value.size(-1)}) : Tensor();
  const QuantisedRows rows = quantise_rows(context, value, gain_value, options, rstd);
  const Tensor z = dequantised_rows(context, rows, value.size(-1))
                       .reshape(value.shape())
                       .to(compute_dtype(x.dtype()));
  const GradientSlot to_x = x, to_gain = gain;
  return tape.record(z, {x, gain}, [=, &tape](const Tensor& d_output) {
    const Tensor d_z = d_output.to(DType::kFloat32).as_contiguous().rows();
    if (to_gain.needs_gradient()) {
      tape.add_gradient(to_gain, gain_gradient(context, value, rstd, d_z));
    }
    if (!to_x.needs_gradient()) return;
    const Tensor u = add_scaled(context, Tensor(), d_z, gain_value);
    const Tensor d_x = rstd.defined() ? norm_gradient(context, value, rstd, u) : u;
    tape.add_gradient(to_x, d_x.reshape(to_x.shape()).to(to_x.dtype()));
  });
}

// beta T as a variable; the gradient passes to the latent weight as it is.
Variable dense(Tape& tape, const Variable& weight, const TernaryMatrix& ternary, DType dtype) {
  const GradientSlot to = weight;
  return tape.record(ternary_dense(ternary, dtype), {weight},
                     [=, &tape](const Tensor& d_output) { tape.add_gradient(to, d_output); });
}

}  // namespace

HeadTerm bit_head(Tape& tape, const Variable& x, const BitLinearTerm& layer,
                  const BitLinearOptions& options) {
  if (options.quantise) {
    return {quantised(tape, x, layer.gain, options),
            dense(tape, layer.weight, *layer.ternary, compute_dtype(x.dtype()))};
  }
  if (!options.norm) return {x, layer.weight};
  return {rms_norm(tape, x, layer.gain, Variable(), options.eps), layer.weight};
}

Tensor bit_head_matrix(const TernaryPtr& ternary, const Tensor& weight, const Tensor& gain) {
  const Tensor matrix = ternary != nullptr ? ternary_dense(*ternary, DType::kFloat32)
                                           : weight.to(DType::kFloat32).contiguous_copy();
  if (!gain.defined()) return matrix;
  const Tensor columns = gain.to(DType::kFloat32);
  const auto width = static_cast<std::size_t>(matrix.size(1));
  const auto values = matrix.values<float>();
  for (std::size_t i = 0; i < values.size(); ++i) values[i] *= columns.values<float>()[i % width];
  return matrix;
}

}  // namespace peryton
