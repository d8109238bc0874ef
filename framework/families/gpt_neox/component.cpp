// SPDX-License-Identifier: Apache-2.0
#include "framework/families/gpt_neox/component.h"

#include <cmath>

#include "framework/ops/arithmetic.h"

namespace peryton::gpt_neox {

GptNeox::GptNeox(Config config, DType dtype)
    : Decoder({config.width, config.layers, config.vocabulary, config.tied}, dtype,
              HeadLayout::interleaved(config.heads, config.head_width())),
      config_(std::move(config)) {
  make_embedding("gpt_neox.embed_in.weight");
  for (std::int64_t i = 0; i < config_.layers; ++i) blocks_.push_back(make_block(i));
  final_norm_ = list_.layer_norm("gpt_neox.final_layer_norm", config_.width, config_.eps);
  make_head("embed_out.weight");
}

Block GptNeox::make_block(std::int64_t index) {
  const Config& c = config_;
  const std::string prefix = fmt::format("gpt_neox.layers.{}.", index);
  const std::string attention = prefix + "attention.", mlp = prefix + "mlp.";
  Block block;
  block.input_norm = list_.layer_norm(prefix + "input_layernorm", c.width, c.eps);
  block.query_key_value =
      list_.linear(attention + "query_key_value", 3 * c.width, c.width, c.attention_bias);
  block.dense = list_.linear(attention + "dense", c.width, c.width, c.attention_bias);
  block.post_attention_norm = list_.layer_norm(prefix + "post_attention_layernorm", c.width, c.eps);
  block.up = list_.linear(mlp + "dense_h_to_4h", c.mlp, c.width, true);
  block.down = list_.linear(mlp + "dense_4h_to_h", c.width, c.mlp, true);
  return block;
}

Variable GptNeox::run_block(const Call& call, std::int64_t index, const Variable& hidden) const {
  Tape& tape = call.context.tape;
  const Block& block = blocks_[static_cast<std::size_t>(index)];
  const double scale = 1 / std::sqrt(static_cast<double>(config_.head_width()));
  const Variable heads = block.query_key_value(tape, block.input_norm(tape, hidden));
  const Variable dense = block.dense(tape, attend(call, heads, scale));
  const JoinedNorm attended =
      config_.parallel_residual
          ? JoinedNorm{add(tape, hidden, dense), block.post_attention_norm(tape, hidden)}
          : block.post_attention_norm.join(tape, hidden, dense);
  const Variable wide = block.up(tape, attended.normed);
  return add(tape, attended.sum, block.down(tape, activation(tape, wide, config_.activation.kind)));
}

RotaryTable GptNeox::rotary_positions(const kernels::Context& context, DType dtype,
                                      std::int64_t positions) const {
  return rotary_table(context, dtype, positions, config_.rotary_width, config_.rotary_base);
}

}  // namespace peryton::gpt_neox
