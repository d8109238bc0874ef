// What a Mamba model is, read from either of its two config.json layouts.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace peryton::mamba {

struct Config {
  std::int64_t width = 0, layers = 0;
  std::int64_t vocabulary = 0;  // rows of the table, padding included
  std::int64_t inner = 0;       // channels of the scan
  std::int64_t state = 16, conv = 4;
  std::int64_t rank = 0;  // of the projection to the time steps
  double eps = 1e-5, initializer_range = 0.1;
  double start_min = 1e-3, start_max = 0.1, start_floor = 1e-4;  // time steps of a fresh model
  double start_scale = 1;
  bool projection_bias = false, conv_bias = true, tied = true, residual_in_fp32 = true;
  nlohmann::json special_ids = nlohmann::json::object();  // bos, eos and pad ids, as found

  std::int64_t expand() const { return inner / width; }
};

bool is_transformers_layout(const nlohmann::json& json);
// `ssm_cfg` without a layer, or with "Mamba1".
bool is_mamba_ssm_layout(const nlohmann::json& json);

// A missing key takes the default of the classes that wrote the layout. `where` names the file in
// errors, which are the user's.
Config read_config(const nlohmann::json& json, const std::string& where);

// The layout of transformers.
nlohmann::json write_config(const Config& config);

// From the user's settings: width, layers, vocabulary (required), state, expand, conv, rank, tied.
nlohmann::json config_from_settings(const nlohmann::json& settings, const std::string& where);

}  // namespace peryton::mamba
