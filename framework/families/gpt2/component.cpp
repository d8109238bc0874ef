// SPDX-License-Identifier: Apache-2.0
#include "framework/families/gpt2/component.h"

#include <cmath>

#include "framework/ops/arithmetic.h"

namespace peryton::gpt2 {

Gpt2::Gpt2(Config config, DType dtype)
    : Decoder({config.width, config.layers, config.vocabulary, config.tied}, dtype,
              HeadLayout::concatenated(config.heads, config.heads, config.head_width())),
      config_(std::move(config)) {
  make_embedding("transformer.wte.weight");
  positions_ = list_.add("transformer.wpe.weight", kEmbeddings, {config_.positions, config_.width});
  for (std::int64_t i = 0; i < config_.layers; ++i) blocks_.push_back(make_block(i));
  final_norm_ = list_.layer_norm("transformer.ln_f", config_.width, config_.eps);
  make_head("lm_head.weight");
}

Block Gpt2::make_block(std::int64_t index) {
  const Config& c = config_;
  const std::string prefix = fmt::format("transformer.h.{}.", index);
  const auto project = [&](const char* name, std::int64_t out, std::int64_t in) {
    return list_.linear(prefix + name, out, in, true, WeightLayout::kInOut);
  };
  Block block;
  block.input_norm = list_.layer_norm(prefix + "ln_1", c.width, c.eps);
  block.query_key_value = project("attn.c_attn", 3 * c.width, c.width);
  block.output = project("attn.c_proj", c.width, c.width);
  block.post_attention_norm = list_.layer_norm(prefix + "ln_2", c.width, c.eps);
  block.up = project("mlp.c_fc", c.mlp, c.width);
  block.down = project("mlp.c_proj", c.width, c.mlp);
  return block;
}

Variable Gpt2::embed(const ForwardContext& context) {
  return add_learned_positions(context, Decoder::embed(context), *positions_);
}

double Gpt2::score_scale(std::int64_t index) const {
  double scale = 1;
  if (config_.scale_by_width) scale /= std::sqrt(static_cast<double>(config_.head_width()));
  if (config_.scale_by_depth) scale /= static_cast<double>(index + 1);
  return scale;
}

Variable Gpt2::run_block(const Call& call, std::int64_t index, const Variable& hidden) const {
  Tape& tape = call.context.tape;
  const Block& block = blocks_[static_cast<std::size_t>(index)];
  const Variable heads = block.query_key_value(tape, block.input_norm(tape, hidden));
  const JoinedNorm attended = block.post_attention_norm.join(
      tape, hidden, block.output(tape, attend(call, heads, score_scale(index))));
  const Variable wide = block.up(tape, attended.normed);
  return add(tape, attended.sum, block.down(tape, activation(tape, wide, config_.activation.kind)));
}

}  // namespace peryton::gpt2
