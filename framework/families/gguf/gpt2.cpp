// GPT-2.
// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "framework/families/gguf/architecture.h"

namespace peryton::gguf {
namespace {

// GPT-2 keeps its linear layers as [in, out]; the file has them as [out, in].
constexpr WeightName kWeights[] = {
    {"token_embd.weight", "transformer.wte.weight"},
    {"position_embd.weight", "transformer.wpe.weight"},
    {"output_norm.weight", "transformer.ln_f.weight"},
    {"output_norm.bias", "transformer.ln_f.bias"},
    {"output.weight", "lm_head.weight"},
    {"blk.#.attn_norm.weight", "transformer.h.#.ln_1.weight"},
    {"blk.#.attn_norm.bias", "transformer.h.#.ln_1.bias"},
    {"blk.#.attn_qkv.weight", "transformer.h.#.attn.c_attn.weight", Change::kTransposed},
    {"blk.#.attn_qkv.bias", "transformer.h.#.attn.c_attn.bias"},
    {"blk.#.attn_output.weight", "transformer.h.#.attn.c_proj.weight", Change::kTransposed},
    {"blk.#.attn_output.bias", "transformer.h.#.attn.c_proj.bias"},
    {"blk.#.ffn_norm.weight", "transformer.h.#.ln_2.weight"},
    {"blk.#.ffn_norm.bias", "transformer.h.#.ln_2.bias"},
    {"blk.#.ffn_up.weight", "transformer.h.#.mlp.c_fc.weight", Change::kTransposed},
    {"blk.#.ffn_up.bias", "transformer.h.#.mlp.c_fc.bias"},
    {"blk.#.ffn_down.weight", "transformer.h.#.mlp.c_proj.weight", Change::kTransposed},
    {"blk.#.ffn_down.bias", "transformer.h.#.mlp.c_proj.bias"},
};

nlohmann::json config_of(const Settings& settings) {
  nlohmann::json config = common_config(settings, "gpt2", "GPT2LMHeadModel");
  config["n_embd"] = settings.count("embedding_length");
  config["n_layer"] = settings.count("block_count");
  config["n_head"] = settings.count("attention.head_count");
  config["n_positions"] = settings.count("context_length");
  config["n_inner"] = settings.count("feed_forward_length");
  config["layer_norm_epsilon"] = settings.number("attention.layer_norm_epsilon");
  config["activation_function"] = "gelu_new";
  return config;
}

}  // namespace

const Architecture kGpt2{"gpt2", kWeights, {}, config_of, "gpt-2"};

}  // namespace peryton::gguf
