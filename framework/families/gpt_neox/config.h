// What a GPT-NeoX model is, read from the config.json of transformers (4 and 5).
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "framework/families/common_settings.h"

namespace peryton::gpt_neox {

struct Config {
  std::int64_t width = 0, layers = 0, heads = 0, mlp = 0;
  std::int64_t vocabulary = 0;  // rows of the table, padding included
  std::int64_t positions = 0;   // max_position_embeddings: written back, no limit of ours
  std::int64_t rotary_width = 0;
  double rotary_fraction = 0.25, rotary_base = 10000;
  double eps = 1e-5, initializer_range = 0.02;
  NamedActivation activation;
  bool parallel_residual = true, tied = false, attention_bias = true;
  nlohmann::json special_ids = nlohmann::json::object();  // bos, eos and pad ids, as found

  std::int64_t head_width() const { return width / heads; }
};

// A missing key takes the default of transformers' GPTNeoXConfig. Errors are the user's; `where`
// names the file in them.
Config read_config(const nlohmann::json& json, const std::string& where);

// Read alike by transformers 4 (rotary_pct, rotary_emb_base) and 5 (rope_parameters).
nlohmann::json write_config(const Config& config);

// From the user's settings: width, layers, vocabulary (required), heads, mlp, rotary (the part of a
// head that turns), positions, activation, parallel, tied. By default heads are 64 wide where width
// allows it.
nlohmann::json config_from_settings(const nlohmann::json& settings, const std::string& where);

}  // namespace peryton::gpt_neox
