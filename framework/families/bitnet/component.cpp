// SPDX-License-Identifier: Apache-2.0
#include "framework/families/bitnet/component.h"

#include <cmath>
#include <set>

#include "framework/ops/arithmetic.h"
#include "framework/ops/glu.h"

namespace peryton::bitnet {

Bitnet::Bitnet(Config config, DType dtype)
    : Decoder({config.width, config.layers, config.vocabulary, config.tied}, dtype,
              HeadLayout::concatenated(config.heads, config.kv_heads, config.head_width)),
      config_(std::move(config)) {
  make_embedding("model.embed_tokens.weight");
  for (std::int64_t i = 0; i < config_.layers; ++i) blocks_.push_back(make_block(i));
  final_norm_ = list_.rms_norm("model.norm", config_.width, config_.eps);
  make_head("lm_head.weight");
}

Block Bitnet::make_block(std::int64_t index) {
  const Config& c = config_;
  const std::string prefix = fmt::format("model.layers.{}.", index);
  const std::string attention = prefix + "self_attn.", mlp = prefix + "mlp.";
  const auto layer = [&](const std::string& name, std::int64_t out, std::int64_t in) {
    return Layer(list_, name, out, in, c.storage);
  };
  Block block;
  block.input_norm = list_.rms_norm(prefix + "input_layernorm", c.width, c.eps);
  block.query = layer(attention + "q_proj", c.heads * c.head_width, c.width);
  block.key = layer(attention + "k_proj", c.kv_heads * c.head_width, c.width);
  block.value = layer(attention + "v_proj", c.kv_heads * c.head_width, c.width);
  block.attention_norm = list_.rms_norm(attention + "attn_sub_norm", c.width, c.eps);
  block.output = layer(attention + "o_proj", c.width, c.heads * c.head_width);
  block.post_norm = list_.rms_norm(prefix + "post_attention_layernorm", c.width, c.eps);
  block.gate = layer(mlp + "gate_proj", c.mlp, c.width);
  block.up = layer(mlp + "up_proj", c.mlp, c.width);
  block.feed_norm = list_.rms_norm(mlp + "ffn_sub_norm", c.mlp, c.eps);
  block.down = layer(mlp + "down_proj", c.width, c.mlp);
  return block;
}

template <class F>
void Bitnet::for_layers(F&& visit) const {
  for (const Block& block : blocks_) {
    for (const Layer* layer : {&block.query, &block.key, &block.value, &block.output, &block.gate,
                               &block.up, &block.down}) {
      visit(*layer);
    }
  }
}

RotaryTable Bitnet::rotary_positions(const kernels::Context& context, DType dtype,
                                     std::int64_t positions) const {
  return rotary_table(context, dtype, positions, config_.head_width, config_.rotary_base);
}

Variable Bitnet::run_block(const Call& call, std::int64_t index, const Variable& hidden) const {
  Tape& tape = call.context.tape;
  const Block& block = blocks_[static_cast<std::size_t>(index)];
  const Variable heads = Layer::side_by_side(tape, block.input_norm(tape, hidden),
                                             {&block.query, &block.key, &block.value});
  const double scale = 1 / std::sqrt(static_cast<double>(config_.head_width));
  const Variable attended = block.attention_norm(tape, attend(call, heads, scale));
  const JoinedNorm mixed = block.post_norm.join(tape, hidden, block.output(tape, attended));

  const Variable both = Layer::side_by_side(tape, mixed.normed, {&block.gate, &block.up});
  const Variable gated =
      glu(tape, slice_last(tape, both, 0, config_.mlp),
          slice_last(tape, both, config_.mlp, 2 * config_.mlp), Activation::kRelu2);
  return add(tape, mixed.sum, block.down(tape, block.feed_norm(tape, gated)));
}

void Bitnet::pack_frozen(const KeepValue& keep) {
  for_layers([&](const Layer& layer) { layer.pack_frozen(keep); });
}

PackedModel Bitnet::packed(PackedForm form) const {
  if (!config_.ternary()) {
    fail_input("a dense BitNet model has no packed form", "", "export its weights as trained");
  }
  Config config = config_;
  config.storage = Storage::kScaleMultiplies;
  PackedModel model{.config = write_config(config), .tensors = {}};
  if (form == PackedForm::kFiveTrits) {
    model.config["quantization_config"]["quant_method"] = kFiveTritsMethod;
  }
  std::set<std::string> written;  // parameters that the layers wrote
  for_layers([&](const Layer& layer) { layer.write_packed(form, model.tensors, written); });
  for (const ParameterPtr& parameter : parameters()) {
    if (written.contains(parameter->name)) continue;
    model.tensors.push_back({parameter->name, parameter->value});
  }
  return model;
}

void Bitnet::check_values(const std::string& where) const {
  for_layers([&](const Layer& layer) { layer.check_values(where); });
}

}  // namespace peryton::bitnet
