// SPDX-License-Identifier: Apache-2.0
#include "framework/families/mamba2/component.h"

#include "framework/ops/arithmetic.h"
#include "framework/ops/causal_conv1d.h"
#include "framework/ops/gated_rms_norm.h"
#include "framework/ops/matrix.h"
#include "framework/ops/ssd.h"

namespace peryton::mamba2 {
namespace {

// The result does not depend on the chunk but for rounding; 64 is the fastest here and rounds
// least.
constexpr std::int64_t kLongestChunk = 64;

Variable optional(Tape& tape, const ParameterPtr& parameter) {
  return parameter ? tape.parameter(*parameter) : Variable();
}

}  // namespace

Mamba2::Mamba2(Config config, DType dtype)
    : BlockModel({config.width, config.layers, config.vocabulary, config.tied}, dtype),
      config_(std::move(config)) {
  make_embedding("backbone.embeddings.weight");
  for (std::int64_t i = 0; i < config_.layers; ++i) blocks_.push_back(make_block(i));
  final_norm_ = list_.rms_norm("backbone.norm_f", config_.width, config_.eps);
  make_head("lm_head.weight");
}

Block Mamba2::make_block(std::int64_t index) {
  const Config& c = config_;
  const std::string prefix = fmt::format("backbone.layers.{}.", index), mixer = prefix + "mixer.";
  const DType scan = compute_dtype(list_.dtype());
  const auto add = [&](const char* name, const Shape& shape) {
    return list_.add(mixer + name, kComponents, shape);
  };
  Block block;
  block.norm = list_.rms_norm(prefix + "norm", c.width, c.eps);
  block.in_proj = list_.linear(mixer + "in_proj", c.projected(), c.width, c.projection_bias);
  block.conv_weight = add("conv1d.weight", {c.conv_channels(), 1, c.conv});
  if (c.conv_bias) block.conv_bias = add("conv1d.bias", {c.conv_channels()});
  block.dt_bias = list_.add(mixer + "dt_bias", kComponents, {c.heads}, scan);
  block.a_log = list_.add(mixer + "A_log", kComponents, {c.heads}, scan);
  block.d = list_.add(mixer + "D", kComponents, {c.heads}, scan);
  block.gated_norm = list_.add(mixer + "norm.weight", kNorms, {c.inner()});
  block.out_proj = list_.linear(mixer + "out_proj", c.width, c.inner(), c.projection_bias);
  return block;
}

Variable Mamba2::branch(const ForwardContext& context, const Block& block, State::OfBlock* state,
                        const Variable& normed) const {
  const Config& c = config_;
  Tape& tape = context.tape;
  const Variable projected = block.in_proj(tape, normed);
  const std::vector<Variable> parts =
      split_columns(tape, projected, {c.inner(), c.conv_channels(), c.heads});
  const Variable &z = parts[0], &dt = parts[2];

  CausalConv1dOptions conv;
  conv.document_start = context.batch.document_start;
  if (state != nullptr) conv.halo = state->halo;
  const Variable xbc = causal_conv1d(tape, parts[1], tape.parameter(*block.conv_weight),
                                     optional(tape, block.conv_bias), conv);
  SsdOptions scan;
  scan.heads = c.heads;
  scan.head_dim = c.head_dim;
  scan.state = c.state;
  scan.groups = c.groups;
  scan.chunk = std::min(c.chunk, kLongestChunk);
  scan.dt_min = c.dt_min;
  scan.dt_max = c.dt_max;
  scan.document_start = context.batch.document_start;
  if (state != nullptr) scan.carried = state->state;
  const Variable y = ssd(tape, xbc, dt, tape.parameter(*block.a_log),
                         tape.parameter(*block.dt_bias), tape.parameter(*block.d), scan);

  const Variable gated = gated_rms_norm(
      tape, y, z, tape.parameter(*block.gated_norm),
      {.groups = c.norm_groups, .eps = c.eps, .norm_before_gate = c.norm_before_gate});
  return block.out_proj(tape, gated);
}

Variable Mamba2::run(const ForwardContext& context, std::int64_t first, std::int64_t last,
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

Variable Mamba2::final_norm(const ForwardContext& context, Variable hidden) {
  return final_norm_(context.tape, hidden);
}

std::unique_ptr<ComponentState> Mamba2::make_state(std::int64_t rows, std::int64_t) {
  const Config& c = config_;
  auto state = std::make_unique<State>();
  const DType dtype = compute_dtype(list_.dtype());
  for (std::int64_t i = 0; i < c.layers; ++i) {
    state->blocks.push_back({Tensor::zeros(dtype, {rows, c.conv - 1, c.conv_channels()}),
                             Tensor::zeros(dtype, {rows, c.heads, c.state, c.head_dim})});
  }
  return state;
}

nlohmann::json Mamba2::config() const { return write_config(config_); }

double Mamba2::block_flops_per_token(std::int64_t first, std::int64_t last,
                                     std::int64_t length) const {
  const Config& c = config_;
  const auto chunk = static_cast<double>(std::min({c.chunk, kLongestChunk, length}));
  const auto product = [](std::int64_t a, std::int64_t b) {
    return 2.0 * static_cast<double>(a) * static_cast<double>(b);
  };
  const double dense = product(c.width, c.projected()) + product(c.inner(), c.width) +
                       product(c.conv, c.conv_channels());
  // Half of each chunk's tile of scores and weights is above the diagonal.
  const double inside = chunk * static_cast<double>(c.shared() + c.inner());
  const double states = 2.0 * product(c.inner(), c.state);
  return static_cast<double>(last - first) * (dense + inside + states);
}

}  // namespace peryton::mamba2
