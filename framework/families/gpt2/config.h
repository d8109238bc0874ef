// What a GPT-2 model is, read from the config.json of transformers.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "framework/families/common_settings.h"

namespace peryton::gpt2 {

struct Config {
  std::int64_t width = 0, layers = 0, heads = 0, mlp = 0;
  std::int64_t vocabulary = 0;  // rows of the table, padding included
  std::int64_t positions = 0;   // learned: the longest document
  double eps = 1e-5, initializer_range = 0.02;
  NamedActivation activation;
  bool tied = true;
  bool scale_by_width = true;   // scores are divided by the root of the head's width
  bool scale_by_depth = false;  // and by the number of the block, from 1
  nlohmann::json special_ids = nlohmann::json::object();  // bos, eos and pad ids, as found

  std::int64_t head_width() const { return width / heads; }
};

// A missing key takes the default of transformers' GPT2Config; its names (n_embd, ...) and the
// common ones (hidden_size, ...) are both read. Errors are the user's; `where` names the file.
Config read_config(const nlohmann::json& json, const std::string& where);
nlohmann::json write_config(const Config& config);

// From the user's settings: width, layers, vocabulary (required), heads, mlp, positions,
// activation, tied.
nlohmann::json config_from_settings(const nlohmann::json& settings, const std::string& where);

}  // namespace peryton::gpt2
