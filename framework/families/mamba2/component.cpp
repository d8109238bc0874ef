// SPDX-License-Identifier: Apache-2.0
#include "framework/families/mamba2/component.h"

#include "framework/ops/arithmetic.h"
#include "framework/ops/causal_conv1d.h"
#include "framework/ops/embedding.h"
#include "framework/ops/gated_rms_norm.h"
#include "framework/ops/matrix.h"
#include "framework/ops/rms_norm.h"
#include "framework/ops/ssd.h"

namespace peryton::mamba2 {
namespace {

// The result does not depend on the chunk but for rounding; 64 is the fastest here and rounds
// least.
constexpr std::int64_t kLongestChunk = 64;

constexpr const char* kEmbeddings = "embeddings";
constexpr const char* kHeads = "heads";
constexpr const char* kNorms = "norms";
constexpr const char* kComponents = "components";

Variable norm(Tape& tape, const Variable& x, const ParameterPtr& weight, double eps) {
  Variable w = tape.parameter(*weight);
  if (w.dtype() != x.dtype()) w = cast(tape, w, x.dtype());
  return rms_norm(tape, x, w, Variable(), eps);
}

Variable optional(Tape& tape, const ParameterPtr& parameter) {
  return parameter ? tape.parameter(*parameter) : Variable();
}

}  // namespace

Mamba2::Mamba2(Config config, DType dtype)
    : config_(std::move(config)),
      dtype_(dtype),
      shape_{config_.width, config_.layers, config_.vocabulary, config_.tied} {
  const Shape table{config_.vocabulary, config_.width};
  embedding_ = make("backbone.embeddings.weight", kEmbeddings, table, dtype);
  for (std::int64_t i = 0; i < config_.layers; ++i) blocks_.push_back(make_block(i));
  final_norm_ = make("backbone.norm_f.weight", kNorms, {config_.width}, dtype);
  head_ = config_.tied ? embedding_ : make("lm_head.weight", kHeads, table, dtype);
}

// Weight decay is for matrices: none on vectors, which are norms, biases and the scan's own
// parameters.
ParameterPtr Mamba2::make(const std::string& name, const char* group, const Shape& shape,
                          DType dtype) {
  auto parameter = std::make_shared<Parameter>();
  parameter->name = name;
  parameter->group = group;
  parameter->value = Tensor::empty(dtype, shape);
  parameter->decays = shape.rank() > 1;
  parameters_.push_back(parameter);
  return parameter;
}

Block Mamba2::make_block(std::int64_t index) {
  const Config& c = config_;
  const std::string prefix = fmt::format("backbone.layers.{}.", index), mixer = prefix + "mixer.";
  const DType scan = compute_dtype(dtype_);
  Block block;
  block.norm = make(prefix + "norm.weight", kNorms, {c.width}, dtype_);
  block.in_proj.weight =
      make(mixer + "in_proj.weight", kComponents, {c.projected(), c.width}, dtype_);
  if (c.projection_bias) {
    block.in_proj.bias = make(mixer + "in_proj.bias", kComponents, {c.projected()}, dtype_);
  }
  block.conv_weight =
      make(mixer + "conv1d.weight", kComponents, {c.conv_channels(), 1, c.conv}, dtype_);
  if (c.conv_bias) {
    block.conv_bias = make(mixer + "conv1d.bias", kComponents, {c.conv_channels()}, dtype_);
  }
  block.dt_bias = make(mixer + "dt_bias", kComponents, {c.heads}, scan);
  block.a_log = make(mixer + "A_log", kComponents, {c.heads}, scan);
  block.d = make(mixer + "D", kComponents, {c.heads}, scan);
  block.gated_norm = make(mixer + "norm.weight", kComponents, {c.inner()}, dtype_);
  block.out_proj.weight =
      make(mixer + "out_proj.weight", kComponents, {c.width, c.inner()}, dtype_);
  if (c.projection_bias) {
    block.out_proj.bias = make(mixer + "out_proj.bias", kComponents, {c.width}, dtype_);
  }
  return block;
}

Variable Mamba2::embed(const ForwardContext& context) {
  return peryton::embedding(context.tape, context.batch.ids, context.tape.parameter(*embedding_));
}

Variable Mamba2::run_block(const ForwardContext& context, const Block& block, State::OfBlock* state,
                           const Variable& hidden) const {
  const Config& c = config_;
  Tape& tape = context.tape;
  const Variable projected = block.in_proj(tape, norm(tape, hidden, block.norm, c.eps));
  const std::int64_t convolved = c.inner() + c.conv_channels();
  const Variable z = slice_last(tape, projected, 0, c.inner());
  const Variable dt = slice_last(tape, projected, convolved, c.projected());

  CausalConv1dOptions conv;
  conv.document_start = context.batch.document_start;
  if (state != nullptr) conv.halo = state->halo;
  const Variable xbc =
      causal_conv1d(tape, slice_last(tape, projected, c.inner(), convolved),
                    tape.parameter(*block.conv_weight), optional(tape, block.conv_bias), conv);
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
  return add(tape, hidden, block.out_proj(tape, gated));
}

Variable Mamba2::run(const ForwardContext& context, std::int64_t first, std::int64_t last,
                     Variable hidden) {
  PERYTON_CHECK(0 <= first && first <= last && last <= config_.layers);
  auto* state = dynamic_cast<State*>(context.state);
  PERYTON_CHECK(context.state == nullptr || state != nullptr, "the state of another family");
  for (std::int64_t i = first; i < last; ++i) {
    const auto index = static_cast<std::size_t>(i);
    hidden = run_block(context, blocks_[index], state == nullptr ? nullptr : &state->blocks[index],
                       hidden);
  }
  return hidden;
}

Variable Mamba2::final_norm(const ForwardContext& context, Variable hidden) {
  return norm(context.tape, hidden, final_norm_, config_.eps);
}

Variable Mamba2::logits(const ForwardContext& context, Variable hidden) {
  return linear(context.tape, hidden, context.tape.parameter(*head_));
}

std::unique_ptr<ComponentState> Mamba2::make_state(std::int64_t rows, std::int64_t) {
  const Config& c = config_;
  auto state = std::make_unique<State>();
  const DType dtype = compute_dtype(dtype_);
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
