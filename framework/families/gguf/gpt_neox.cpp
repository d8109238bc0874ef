// GPT-NeoX and Pythia.
// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "framework/families/gguf/architecture.h"

namespace peryton::gguf {
namespace {

constexpr WeightName kWeights[] = {
    {"token_embd.weight", "gpt_neox.embed_in.weight"},
    {"output_norm.weight", "gpt_neox.final_layer_norm.weight"},
    {"output_norm.bias", "gpt_neox.final_layer_norm.bias"},
    {"output.weight", "embed_out.weight"},
    {"blk.#.attn_norm.weight", "gpt_neox.layers.#.input_layernorm.weight"},
    {"blk.#.attn_norm.bias", "gpt_neox.layers.#.input_layernorm.bias"},
    {"blk.#.attn_qkv.weight", "gpt_neox.layers.#.attention.query_key_value.weight",
     Change::kSeparateHeads},
    {"blk.#.attn_qkv.bias", "gpt_neox.layers.#.attention.query_key_value.bias",
     Change::kSeparateHeads},
    {"blk.#.attn_output.weight", "gpt_neox.layers.#.attention.dense.weight"},
    {"blk.#.attn_output.bias", "gpt_neox.layers.#.attention.dense.bias"},
    {"blk.#.ffn_norm.weight", "gpt_neox.layers.#.post_attention_layernorm.weight"},
    {"blk.#.ffn_norm.bias", "gpt_neox.layers.#.post_attention_layernorm.bias"},
    {"blk.#.ffn_up.weight", "gpt_neox.layers.#.mlp.dense_h_to_4h.weight"},
    {"blk.#.ffn_up.bias", "gpt_neox.layers.#.mlp.dense_h_to_4h.bias"},
    {"blk.#.ffn_down.weight", "gpt_neox.layers.#.mlp.dense_4h_to_h.weight"},
    {"blk.#.ffn_down.bias", "gpt_neox.layers.#.mlp.dense_4h_to_h.bias"},
};

nlohmann::json config_of(const Settings& settings) {
  nlohmann::json config = common_config(settings, "gpt_neox", "GPTNeoXForCausalLM");
  const std::int64_t width = settings.count("embedding_length");
  const std::int64_t heads = settings.count("attention.head_count");
  const std::int64_t head = std::max<std::int64_t>(1, width / heads);
  config["hidden_size"] = width;
  config["num_hidden_layers"] = settings.count("block_count");
  config["num_attention_heads"] = heads;
  config["intermediate_size"] = settings.count("feed_forward_length");
  config["max_position_embeddings"] = settings.count("context_length");
  config["layer_norm_eps"] = settings.number("attention.layer_norm_epsilon");
  config["use_parallel_residual"] = settings.flag("use_parallel_residual", true);
  config["hidden_act"] = "gelu";
  config["attention_bias"] = settings.file().tensors().count("blk.0.attn_qkv.bias") != 0;
  config["rotary_pct"] =
      static_cast<double>(settings.count("rope.dimension_count", head)) / static_cast<double>(head);
  config["rotary_emb_base"] = settings.number("rope.freq_base", 10000);
  return config;
}

}  // namespace

const Architecture kGptNeox{"gptneox", kWeights, {}, config_of, "mpt"};

}  // namespace peryton::gguf
