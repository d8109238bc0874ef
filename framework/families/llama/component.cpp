// SPDX-License-Identifier: Apache-2.0
#include "framework/families/llama/component.h"

#include <cmath>

#include "framework/ops/arithmetic.h"
#include "framework/ops/glu.h"

namespace peryton::llama {

Llama::Llama(Config config, DType dtype)
    : Decoder({config.width, config.layers, config.vocabulary, config.tied}, dtype,
              HeadLayout::concatenated(config.heads, config.kv_heads, config.head_width)),
      config_(std::move(config)) {
  make_embedding("model.embed_tokens.weight");
  for (std::int64_t i = 0; i < config_.layers; ++i) blocks_.push_back(make_block(i));
  final_norm_ = list_.rms_norm("model.norm", config_.width, config_.eps);
  make_head("lm_head.weight");
}

Block Llama::make_block(std::int64_t index) {
  const Config& c = config_;
  const std::string prefix = fmt::format("model.layers.{}.", index);
  const std::string attention = prefix + "self_attn.", mlp = prefix + "mlp.";
  Block block;
  block.input_norm = list_.rms_norm(prefix + "input_layernorm", c.width, c.eps);
  const auto project = [&](const char* name, std::int64_t out, std::int64_t in) {
    return list_.linear(attention + name, out, in, c.attention_bias);
  };
  block.query = project("q_proj", c.query_columns(), c.width);
  block.key = project("k_proj", c.key_columns(), c.width);
  block.value = project("v_proj", c.key_columns(), c.width);
  block.output = project("o_proj", c.width, c.query_columns());
  block.post_attention_norm = list_.rms_norm(prefix + "post_attention_layernorm", c.width, c.eps);
  block.gate = list_.linear(mlp + "gate_proj", c.mlp, c.width, c.mlp_bias);
  block.up = list_.linear(mlp + "up_proj", c.mlp, c.width, c.mlp_bias);
  block.down = list_.linear(mlp + "down_proj", c.width, c.mlp, c.mlp_bias);
  return block;
}

Variable Llama::run_block(const Call& call, std::int64_t index, const Variable& hidden) const {
  Tape& tape = call.context.tape;
  const Block& block = blocks_[static_cast<std::size_t>(index)];
  const double scale = 1 / std::sqrt(static_cast<double>(config_.head_width));
  const Variable heads =
      side_by_side(tape, block.input_norm(tape, hidden), {&block.query, &block.key, &block.value});
  const JoinedNorm attended = block.post_attention_norm.join(
      tape, hidden, block.output(tape, attend(call, heads, scale, window(index))));
  const Variable wide = side_by_side(tape, attended.normed, {&block.gate, &block.up});
  const Variable gated =
      glu(tape, slice_last(tape, wide, 0, config_.mlp),
          slice_last(tape, wide, config_.mlp, 2 * config_.mlp), config_.activation.kind);
  return add(tape, attended.sum, block.down(tape, gated));
}

RotaryTable Llama::rotary_positions(const kernels::Context& context, DType dtype,
                                    std::int64_t positions) const {
  return rotary_table(context, dtype, positions, config_.rotary.frequencies(config_.head_width));
}

}  // namespace peryton::llama
