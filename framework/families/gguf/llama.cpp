// Llama 1 to 3, Mistral, TinyLlama, SmolLM.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>

#include "framework/core/error.h"
#include "framework/families/gguf/architecture.h"

namespace peryton::gguf {
namespace {

constexpr WeightName kWeights[] = {
    {"token_embd.weight", "model.embed_tokens.weight"},
    {"output_norm.weight", "model.norm.weight"},
    {"output.weight", "lm_head.weight"},
    {"blk.#.attn_norm.weight", "model.layers.#.input_layernorm.weight"},
    {"blk.#.attn_q.weight", "model.layers.#.self_attn.q_proj.weight", Change::kInterleavedQueries},
    {"blk.#.attn_q.bias", "model.layers.#.self_attn.q_proj.bias", Change::kInterleavedQueries},
    {"blk.#.attn_k.weight", "model.layers.#.self_attn.k_proj.weight", Change::kInterleavedKeys},
    {"blk.#.attn_k.bias", "model.layers.#.self_attn.k_proj.bias", Change::kInterleavedKeys},
    {"blk.#.attn_v.weight", "model.layers.#.self_attn.v_proj.weight"},
    {"blk.#.attn_v.bias", "model.layers.#.self_attn.v_proj.bias"},
    {"blk.#.attn_output.weight", "model.layers.#.self_attn.o_proj.weight"},
    {"blk.#.attn_output.bias", "model.layers.#.self_attn.o_proj.bias"},
    {"blk.#.ffn_norm.weight", "model.layers.#.post_attention_layernorm.weight"},
    {"blk.#.ffn_gate.weight", "model.layers.#.mlp.gate_proj.weight"},
    {"blk.#.ffn_gate.bias", "model.layers.#.mlp.gate_proj.bias"},
    {"blk.#.ffn_up.weight", "model.layers.#.mlp.up_proj.weight"},
    {"blk.#.ffn_up.bias", "model.layers.#.mlp.up_proj.bias"},
    {"blk.#.ffn_down.weight", "model.layers.#.mlp.down_proj.weight"},
    {"blk.#.ffn_down.bias", "model.layers.#.mlp.down_proj.bias"},
};
constexpr const char* kIgnored[] = {"rope_freqs.weight", "blk.#.attn_rot_embd"};

constexpr double kLowTurns = 1, kHighTurns = 4, kPretrainedPositions = 8192;

// By how much Llama 3's scaling slows the frequency base^(-2j/d) down: not at all where it turns
// more than kHighTurns times in the pretraining context, by `factor` where less than kLowTurns
// times, in between by the mean of both, harmonic in the divisor.
double llama3_divisor(double frequency, double factor) {
  const double turns = kPretrainedPositions * frequency / (2 * std::numbers::pi);
  if (turns > kHighTurns) return 1;
  if (turns < kLowTurns) return factor;
  const double kept = (turns - kLowTurns) / (kHighTurns - kLowTurns);
  return 1 / ((1 - kept) / factor + kept);
}

// The divisors of the frequencies are all that the file tells of Llama 3's scaling: find the factor
// that makes them.
void add_frequency_scaling(const Settings& settings, double base, nlohmann::json& config) {
  const GgufFile& file = settings.file();
  if (file.tensors().count("rope_freqs.weight") == 0) return;
  const Tensor divisors = file.load("rope_freqs.weight");
  const auto values = divisors.values<float>();
  if (std::ranges::all_of(values, [](float value) { return value == 1; })) return;
  const double factor = *std::ranges::max_element(values);
  for (std::size_t j = 0; j < values.size(); ++j) {
    const double exponent = -static_cast<double>(j) / static_cast<double>(values.size());
    const double expected = llama3_divisor(std::pow(base, exponent), factor);
    if (std::abs(values[j] - expected) < 1e-3 * expected) continue;
    fail_input(fmt::format("its frequencies are scaled by {} at {}; Llama 3's scaling by {} would "
                           "be {}: this kind of scaling is not known here",
                           values[j], j, factor, expected),
               fmt::format("{}, tensor 'rope_freqs.weight'", file.where()));
  }
  config["rope_scaling"] = {{"rope_type", "llama3"},
                            {"factor", factor},
                            {"low_freq_factor", kLowTurns},
                            {"high_freq_factor", kHighTurns},
                            {"original_max_position_embeddings", kPretrainedPositions}};
}

void add_metadata_scaling(const Settings& settings, nlohmann::json& config) {
  const std::string type = settings.text("rope.scaling.type", "none");
  if (type == "none") return;
  if (type != "linear") {
    fail_input(fmt::format("scales its rotary positions by '{}', which is not known here", type),
               settings.file().where(), "known: none, linear, and Llama 3's");
  }
  config["rope_scaling"] = {{"rope_type", "linear"},
                            {"factor", settings.number("rope.scaling.factor")}};
}

nlohmann::json config_of(const Settings& settings) {
  const GgufFile& file = settings.file();
  nlohmann::json config = common_config(settings, "llama", "LlamaForCausalLM");
  if (settings.has("attention.sliding_window")) {
    config["architectures"] = {"MistralForCausalLM"};
    config["model_type"] = "mistral";
    config["sliding_window"] = settings.count("attention.sliding_window");
  }
  if (settings.has("expert_count") && settings.count("expert_count") > 1) {
    fail_input("is a mixture of experts, which is not supported", file.where());
  }
  const std::int64_t width = settings.count("embedding_length");
  const std::int64_t heads = settings.count("attention.head_count");
  const std::int64_t head =
      settings.count("attention.key_length", std::max<std::int64_t>(1, width / heads));
  if (settings.count("rope.dimension_count", head) != head) {
    fail_input("turns only a part of each head, which no Llama does", file.where());
  }
  config["hidden_size"] = width;
  config["num_hidden_layers"] = settings.count("block_count");
  config["num_attention_heads"] = heads;
  config["num_key_value_heads"] = settings.count("attention.head_count_kv", heads);
  config["head_dim"] = head;
  config["intermediate_size"] = settings.count("feed_forward_length");
  config["max_position_embeddings"] = settings.count("context_length");
  config["rms_norm_eps"] = settings.number("attention.layer_norm_rms_epsilon");
  config["hidden_act"] = "silu";
  config["attention_bias"] = file.tensors().count("blk.0.attn_q.bias") != 0;
  config["mlp_bias"] = file.tensors().count("blk.0.ffn_up.bias") != 0;
  const double base = settings.number("rope.freq_base", 10000);
  config["rope_theta"] = base;
  add_metadata_scaling(settings, config);
  add_frequency_scaling(settings, base, config);
  return config;
}

}  // namespace

const Architecture kLlama{"llama", kWeights, kIgnored, config_of, nullptr};

}  // namespace peryton::gguf
