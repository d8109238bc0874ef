// SPDX-License-Identifier: Apache-2.0
#include "framework/families/mamba/component.h"

#include "framework/ops/arithmetic.h"
#include "framework/ops/causal_conv1d.h"
#include "framework/ops/glu.h"
#include "framework/ops/matrix.h"
#include "framework/ops/selective_scan.h"

namespace peryton::mamba {

Mamba::Mamba(Config config, DType dtype)
    : BlockModel({config.width, config.layers, config.vocabulary, config.tied}, dtype),
      config_(std::move(config)) {
  make_embedding("backbone.embeddings.weight");
  for (std::int64_t i = 0; i < config_.layers; ++i) blocks_.push_back(make_block(i));
  final_norm_ = list_.rms_norm("backbone.norm_f", config_.width, config_.eps);
  make_head("lm_head.weight");
}

Block Mamba::make_block(std::int64_t index) {
  const Config& c = config_;
  const std::string prefix = fmt::format("backbone.layers.{}.", index), mixer = prefix + "mixer.";
  const DType scan = compute_dtype(list_.dtype());
  Block block;
  block.norm = list_.rms_norm(prefix + "norm", c.width, c.eps);
  block.in_proj = list_.linear(mixer + "in_proj", 2 * c.inner, c.width, c.projection_bias);
  block.conv_weight = list_.add(mixer + "conv1d.weight", kComponents, {c.inner, 1, c.conv});
  if (c.conv_bias) block.conv_bias = list_.add(mixer + "conv1d.bias", kComponents, {c.inner});
  block.x_proj = list_.linear(mixer + "x_proj", c.rank + 2 * c.state, c.inner, false);
  block.dt_proj = list_.linear(mixer + "dt_proj", c.inner, c.rank, false);
  block.dt_proj.bias = list_.add(mixer + "dt_proj.bias", kComponents, {c.inner}, scan);
  block.a_log = list_.add(mixer + "A_log", kComponents, {c.inner, c.state}, scan);
  block.a_log->decays = false;
  block.d = list_.add(mixer + "D", kComponents, {c.inner}, scan);
  block.out_proj = list_.linear(mixer + "out_proj", c.width, c.inner, c.projection_bias);
  return block;
}

Variable Mamba::scan(const ForwardContext& context, const Block& block, State::OfBlock* state,
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
  if (state != nullptr) options.carried = state->state;
  return selective_scan(tape, inputs, options);
}

Variable Mamba::branch(const ForwardContext& context, const Block& block, State::OfBlock* state,
                       const Variable& normed) const {
  const Config& c = config_;
  Tape& tape = context.tape;
  const Variable projected = block.in_proj(tape, normed);
  const Variable gate = slice_last(tape, projected, c.inner, 2 * c.inner);
  CausalConv1dOptions conv;
  conv.document_start = context.batch.document_start;
  if (state != nullptr) conv.halo = state->halo;
  const Variable bias = block.conv_bias ? tape.parameter(*block.conv_bias) : Variable();
  const Variable x = causal_conv1d(tape, slice_last(tape, projected, 0, c.inner),
                                   tape.parameter(*block.conv_weight), bias, conv);
  const Variable y = glu(tape, gate, scan(context, block, state, x), Activation::kSilu);
  return block.out_proj(tape, y);
}

Variable Mamba::run(const ForwardContext& context, std::int64_t first, std::int64_t last,
                    Variable hidden) {
  auto* state = state_of<State>(context, first, last);
  Tape& tape = context.tape;
  Variable normed;
  for (std::int64_t i = first; i < last; ++i) {
    const auto index = static_cast<std::size_t>(i);
    if (i == first) normed = blocks_[index].norm(tape, hidden);
    const Variable added =
        branch(context, blocks_[index], state == nullptr ? nullptr : &state->blocks[index], normed);
    if (i + 1 == last) return add(tape, hidden, added);
    const JoinedNorm joined = blocks_[index + 1].norm.join(tape, hidden, added);
    hidden = joined.sum;
    normed = joined.normed;
  }
  return hidden;
}

Variable Mamba::final_norm(const ForwardContext& context, Variable hidden) {
  return final_norm_(context.tape, hidden);
}

std::unique_ptr<ComponentState> Mamba::make_state(std::int64_t rows, std::int64_t) {
  const Config& c = config_;
  auto state = std::make_unique<State>();
  const DType dtype = compute_dtype(list_.dtype());
  for (std::int64_t i = 0; i < c.layers; ++i) {
    state->blocks.push_back({Tensor::zeros(dtype, {rows, c.conv - 1, c.inner}),
                             Tensor::zeros(dtype, {rows, c.state, c.inner})});
  }
  return state;
}

double Mamba::block_flops_per_token(std::int64_t first, std::int64_t last, std::int64_t) const {
  const Config& c = config_;
  const std::int64_t dense =
      c.width * 3 * c.inner + c.inner * (2 * c.rank + 2 * c.state) + c.conv * c.inner;
  // Decay and input of the state, and its sum into the output.
  const std::int64_t scan = 3 * c.inner * c.state;
  return static_cast<double>(last - first) * 2 * static_cast<double>(dense + scan);
}

}  // namespace peryton::mamba
