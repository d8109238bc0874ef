// What a Llama or Mistral model is, read from the config.json of transformers (4 and 5).
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "framework/families/common_settings.h"
#include "framework/families/rotary_config.h"

namespace peryton::llama {

struct Config {
  std::string model_type = "llama";  // or mistral
  std::int64_t width = 0, layers = 0, heads = 0, kv_heads = 0, head_width = 0, mlp = 0;
  std::int64_t vocabulary = 0;  // rows of the table, padding included
  std::int64_t positions = 0;   // max_position_embeddings: written back, no limit of ours
  std::int64_t window = 0;      // tokens that a token sees, itself included; 0: all
  double eps = 1e-6, initializer_range = 0.02;
  RotaryConfig rotary;
  NamedActivation activation;
  bool attention_bias = false, mlp_bias = false, tied = false;
  nlohmann::json special_ids = nlohmann::json::object();  // bos, eos and pad ids, as found

  std::int64_t query_columns() const { return heads * head_width; }
  std::int64_t key_columns() const { return kv_heads * head_width; }
};

// A missing key takes the default of transformers' LlamaConfig or MistralConfig. Errors are the
// user's; `where` names the file in them.
Config read_config(const nlohmann::json& json, const std::string& where);

// Read alike by transformers 4 (rope_theta, rope_scaling) and 5 (rope_parameters).
nlohmann::json write_config(const Config& config);

// From the user's settings: width, layers, vocabulary (required), heads, kv_heads, head_width, mlp,
// rotary_base, positions, window, tied.
nlohmann::json config_from_settings(const nlohmann::json& settings, const std::string& where);

}  // namespace peryton::llama
