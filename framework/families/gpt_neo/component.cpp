// SPDX-License-Identifier: Apache-2.0
#include "framework/families/gpt_neo/component.h"

#include "framework/ops/arithmetic.h"

namespace peryton::gpt_neo {

GptNeo::GptNeo(Config config, DType dtype)
    : Decoder({config.width, config.layers(), config.vocabulary, config.tied}, dtype,
              HeadLayout::concatenated(config.heads, config.heads, config.head_width())),
      config_(std::move(config)) {
  make_embedding("transformer.wte.weight");
  positions_ = list_.add("transformer.wpe.weight", kEmbeddings, {config_.positions, config_.width});
  for (std::int64_t i = 0; i < config_.layers(); ++i) blocks_.push_back(make_block(i));
  final_norm_ = list_.layer_norm("transformer.ln_f", config_.width, config_.eps);
  make_head("lm_head.weight");
}

Block GptNeo::make_block(std::int64_t index) {
  const Config& c = config_;
  const std::string prefix = fmt::format("transformer.h.{}.", index);
  const std::string attention = prefix + "attn.attention.";
  Block block;
  block.input_norm = list_.layer_norm(prefix + "ln_1", c.width, c.eps);
  block.query = list_.linear(attention + "q_proj", c.width, c.width, false);
  block.key = list_.linear(attention + "k_proj", c.width, c.width, false);
  block.value = list_.linear(attention + "v_proj", c.width, c.width, false);
  block.output = list_.linear(attention + "out_proj", c.width, c.width, true);
  block.post_attention_norm = list_.layer_norm(prefix + "ln_2", c.width, c.eps);
  block.up = list_.linear(prefix + "mlp.c_fc", c.mlp, c.width, true);
  block.down = list_.linear(prefix + "mlp.c_proj", c.width, c.mlp, true);
  return block;
}

Variable GptNeo::embed(const ForwardContext& context) {
  return add_learned_positions(context, Decoder::embed(context), *positions_);
}

Variable GptNeo::run_block(const Call& call, std::int64_t index, const Variable& hidden) const {
  Tape& tape = call.context.tape;
  const Block& block = blocks_[static_cast<std::size_t>(index)];
  const Variable heads =
      side_by_side(tape, block.input_norm(tape, hidden), {&block.query, &block.key, &block.value});
  const JoinedNorm attended = block.post_attention_norm.join(
      tape, hidden, block.output(tape, attend(call, heads, 1.0, window(index))));
  const Variable wide = block.up(tape, attended.normed);
  return add(tape, attended.sum, block.down(tape, activation(tape, wide, config_.activation.kind)));
}

}  // namespace peryton::gpt_neo
