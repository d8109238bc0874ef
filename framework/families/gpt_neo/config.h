// What a GPT-Neo model is, read from the config.json of transformers.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "framework/families/common_settings.h"

namespace peryton::gpt_neo {

struct Config {
  std::int64_t width = 0, heads = 0, mlp = 0;
  std::int64_t vocabulary = 0;  // rows of the table, padding included
  std::int64_t positions = 0;   // learned: the longest document
  std::int64_t window = 256;    // tokens that a token of a local block sees, itself included
  std::vector<bool> local;      // of every block
  double eps = 1e-5, initializer_range = 0.02;
  NamedActivation activation;
  bool tied = true;
  nlohmann::json special_ids = nlohmann::json::object();  // bos, eos and pad ids, as found

  std::int64_t layers() const { return static_cast<std::int64_t>(local.size()); }
  std::int64_t head_width() const { return width / heads; }
  std::int64_t window_of(std::int64_t block) const {
    return local[static_cast<std::size_t>(block)] ? window : 0;
  }
};

// A missing key takes the default of transformers' GPTNeoConfig. Errors are the user's; `where`
// names the file in them.
Config read_config(const nlohmann::json& json, const std::string& where);
nlohmann::json write_config(const Config& config);

// From the user's settings: width, layers, vocabulary (required), heads, mlp, positions, window,
// local (every second block is local), activation, tied.
nlohmann::json config_from_settings(const nlohmann::json& settings, const std::string& where);

}  // namespace peryton::gpt_neo
