// SPDX-License-Identifier: Apache-2.0
#include "framework/families/gpt_neox/component.h"

#include <cmath>

#include "framework/ops/arithmetic.h"
#include "framework/ops/attention.h"
#include "framework/ops/embedding.h"

namespace peryton::gpt_neox {
namespace {

constexpr const char* kEmbeddings = "embeddings";
constexpr const char* kHeads = "heads";
constexpr const char* kNorms = "norms";
constexpr const char* kComponents = "components";

HeadLayout layout_of(const Config& c) { return HeadLayout::interleaved(c.heads, c.head_width()); }

}  // namespace

GptNeox::GptNeox(Config config, DType dtype)
    : config_(std::move(config)),
      dtype_(dtype),
      shape_{config_.width, config_.layers, config_.vocabulary, config_.tied} {
  const Shape table{config_.vocabulary, config_.width};
  embedding_ = make("gpt_neox.embed_in.weight", kEmbeddings, table);
  for (std::int64_t i = 0; i < config_.layers; ++i) blocks_.push_back(make_block(i));
  final_norm_ = make_norm("gpt_neox.final_layer_norm");
  head_ = config_.tied ? embedding_ : make("embed_out.weight", kHeads, table);
}

// Weight decay is for matrices: none on norms and biases.
ParameterPtr GptNeox::make(const std::string& name, const char* group, const Shape& shape) {
  auto parameter = std::make_shared<Parameter>();
  parameter->name = name;
  parameter->group = group;
  parameter->value = Tensor::empty(dtype_, shape);
  parameter->decays = shape.rank() > 1;
  parameters_.push_back(parameter);
  return parameter;
}

Linear GptNeox::make_linear(const std::string& name, std::int64_t out, std::int64_t in, bool bias) {
  Linear linear;
  linear.weight = make(name + ".weight", kComponents, {out, in});
  if (bias) linear.bias = make(name + ".bias", kComponents, {out});
  return linear;
}

LayerNorm GptNeox::make_norm(const std::string& name) {
  return {make(name + ".weight", kNorms, {config_.width}),
          make(name + ".bias", kNorms, {config_.width}), config_.eps};
}

Block GptNeox::make_block(std::int64_t index) {
  const Config& c = config_;
  const std::string prefix = fmt::format("gpt_neox.layers.{}.", index);
  Block block;
  block.input_norm = make_norm(prefix + "input_layernorm");
  const std::string attention = prefix + "attention.";
  block.query_key_value =
      make_linear(attention + "query_key_value", 3 * c.width, c.width, c.attention_bias);
  block.dense = make_linear(attention + "dense", c.width, c.width, c.attention_bias);
  block.post_attention_norm = make_norm(prefix + "post_attention_layernorm");
  block.up = make_linear(prefix + "mlp.dense_h_to_4h", c.mlp, c.width, true);
  block.down = make_linear(prefix + "mlp.dense_4h_to_h", c.width, c.mlp, true);
  return block;
}

Variable GptNeox::embed(const ForwardContext& context) {
  return peryton::embedding(context.tape, context.batch.ids, context.tape.parameter(*embedding_));
}

Variable GptNeox::attend(const ForwardContext& context, const Block& block,
                         const Positions& positions, State::OfBlock* state,
                         const Variable& normed) const {
  Tape& tape = context.tape;
  const HeadLayout layout = layout_of(config_);
  const Variable turned = rotary(tape, block.query_key_value(tape, normed), layout, positions.table,
                                 positions.position);
  const double scale = 1 / std::sqrt(static_cast<double>(config_.head_width()));
  const AttentionOptions options{scale, context.batch.document_start, 0};
  if (state == nullptr) return block.dense(tape, attention(tape, turned, layout, options));

  PERYTON_CHECK(!turned.needs_gradient(), "generation keeps no gradient");
  const std::int64_t past = context.batch.past, end = past + context.batch.length();
  PERYTON_CHECK(end <= state->keys.size(1), "token {} of a state for {}", end, state->keys.size(1));
  state->keys.slice(1, past, end).copy_from(layout.view(turned.value(), layout.key));
  state->values.slice(1, past, end).copy_from(layout.view(turned.value(), layout.value));
  return block.dense(
      tape, tape.constant(attention_with_past(tape.context(), turned.value(), layout, options,
                                              state->keys, state->values, past)));
}

Variable GptNeox::run_block(const ForwardContext& context, const Block& block,
                            const Positions& positions, State::OfBlock* state,
                            const Variable& hidden) const {
  Tape& tape = context.tape;
  const Variable attended =
      add(tape, hidden, attend(context, block, positions, state, block.input_norm(tape, hidden)));
  const Variable& source = config_.parallel_residual ? hidden : attended;
  const Variable wide = block.up(tape, block.post_attention_norm(tape, source));
  return add(tape, attended, block.down(tape, activation(tape, wide, config_.activation)));
}

Variable GptNeox::run(const ForwardContext& context, std::int64_t first, std::int64_t last,
                      Variable hidden) {
  PERYTON_CHECK(0 <= first && first <= last && last <= config_.layers);
  auto* state = dynamic_cast<State*>(context.state);
  PERYTON_CHECK(context.state == nullptr || state != nullptr, "the state of another family");
  const TokenBatch& batch = context.batch;
  PERYTON_CHECK(state != nullptr || batch.past == 0, "a past without its state");
  Positions positions;
  positions.position =
      token_positions(batch.document_start, batch.rows(), batch.length(), batch.past);
  positions.table = state != nullptr
                        ? state->table
                        : rotary_table(context.tape.context(), hidden.dtype(), batch.length(),
                                       config_.rotary_width, config_.rotary_base);
  for (std::int64_t i = first; i < last; ++i) {
    const auto index = static_cast<std::size_t>(i);
    hidden = run_block(context, blocks_[index], positions,
                       state != nullptr ? &state->blocks[index] : nullptr, hidden);
  }
  return hidden;
}

Variable GptNeox::final_norm(const ForwardContext& context, Variable hidden) {
  return final_norm_(context.tape, hidden);
}

Variable GptNeox::logits(const ForwardContext& context, Variable hidden) {
  return linear(context.tape, hidden, context.tape.parameter(*head_));
}

std::unique_ptr<ComponentState> GptNeox::make_state(std::int64_t rows, std::int64_t capacity) {
  auto state = std::make_unique<State>();
  const Shape shape{rows, capacity, config_.heads, config_.head_width()};
  for (std::int64_t i = 0; i < config_.layers; ++i) {
    state->blocks.push_back({Tensor::zeros(dtype_, shape), Tensor::zeros(dtype_, shape)});
  }
  state->table = rotary_table({}, dtype_, capacity, config_.rotary_width, config_.rotary_base);
  return state;
}

double GptNeox::block_flops_per_token(std::int64_t first, std::int64_t last,
                                      std::int64_t length) const {
  const auto width = static_cast<double>(config_.width), mlp = static_cast<double>(config_.mlp);
  const double dense = 2 * (4 * width * width + 2 * width * mlp);
  // Scores and their sums over values, each with half of the keys on average.
  const double attention = 2 * 2 * width * static_cast<double>(length) / 2;
  return static_cast<double>(last - first) * (dense + attention);
}

}  // namespace peryton::gpt_neox
