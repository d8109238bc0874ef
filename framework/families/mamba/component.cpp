// SPDX-License-Identifier: Apache-2.0
#include "framework/families/mamba/component.h"

#include "framework/ops/arithmetic.h"
#include "framework/ops/glu.h"
#include "framework/ops/matrix.h"
#include "framework/ops/selective_scan.h"

namespace peryton::mamba {

Mamba::Mamba(Config config, DType dtype) : SsmModel(config, dtype), config_(std::move(config)) {
  make_all(config_, [&](const std::string& prefix) { blocks_.push_back(make_block(prefix)); });
}

Block Mamba::make_block(const std::string& prefix) {
  const Config& c = config_;
  const std::string mixer = prefix + "mixer.";
  const DType scan = compute_dtype(list_.dtype());
  Block block;
  block.in_proj = list_.linear(mixer + "in_proj", 2 * c.inner, c.width, c.projection_bias);
  block.conv = make_convolution(mixer, c.inner, c);
  block.x_proj = list_.linear(mixer + "x_proj", c.rank + 2 * c.state, c.inner, false);
  block.dt_proj = list_.linear(mixer + "dt_proj", c.inner, c.rank, false);
  block.dt_proj.bias = list_.add(mixer + "dt_proj.bias", kComponents, {c.inner}, scan);
  block.a_log = list_.add(mixer + "A_log", kComponents, {c.inner, c.state}, scan);
  block.a_log->decays = false;
  block.d = list_.add(mixer + "D", kComponents, {c.inner}, scan);
  block.out_proj = list_.linear(mixer + "out_proj", c.width, c.inner, c.projection_bias);
  return block;
}

Variable Mamba::scan(const ForwardContext& context, const Block& block, const SsmCarry* carry,
                     const Variable& x) const {
  const Config& c = config_;
  Tape& tape = context.tape;
  const Variable projected = block.x_proj(tape, x);
  const std::int64_t b = c.rank, end = c.rank + 2 * c.state;
  SelectiveScanInputs inputs;
  inputs.x = x;
  inputs.dt =
      linear(tape, slice_last(tape, projected, 0, c.rank), tape.parameter(*block.dt_proj.weight));
  inputs.b = slice_last(tape, projected, b, b + c.state);
  inputs.c = slice_last(tape, projected, b + c.state, end);
  inputs.a_log = tape.parameter(*block.a_log);
  inputs.dt_bias = tape.parameter(*block.dt_proj.bias);
  inputs.d = tape.parameter(*block.d);
  SelectiveScanOptions options;
  options.document_start = context.batch.document_start;
  if (carry != nullptr) options.carried = carry->state;
  return selective_scan(tape, inputs, options);
}

Variable Mamba::branch(const ForwardContext& context, std::int64_t index, const SsmCarry* carry,
                       const Variable& normed) const {
  const Config& c = config_;
  const Block& block = blocks_[static_cast<std::size_t>(index)];
  Tape& tape = context.tape;
  const Variable projected = block.in_proj(tape, normed);
  const Variable gate = slice_last(tape, projected, c.inner, 2 * c.inner);
  const Variable x = convolve(context, block.conv, carry, slice_last(tape, projected, 0, c.inner));
  const Variable y = glu(tape, gate, scan(context, block, carry, x), Activation::kSilu);
  return block.out_proj(tape, y);
}

SsmCarry Mamba::fresh_carry(DType dtype, std::int64_t rows) const {
  const Config& c = config_;
  return {Tensor::zeros(dtype, {rows, c.conv - 1, c.inner}),
          Tensor::zeros(dtype, {rows, c.state, c.inner})};
}

double Mamba::mixing_flops_per_token(std::int64_t first, std::int64_t last, std::int64_t) const {
  const Config& c = config_;
  // Decay and input of the state, and its sum into the output.
  const std::int64_t scan = 3 * c.inner * c.state;
  return static_cast<double>(last - first) * 2 * static_cast<double>(c.conv * c.inner + scan);
}

}  // namespace peryton::mamba
