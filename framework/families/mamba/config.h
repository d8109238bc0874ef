// What a Mamba model is, read from either of its two config.json layouts.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "framework/families/ssm_config.h"

namespace peryton::mamba {

struct Config : SsmConfig {
  std::int64_t inner = 0;  // channels of the scan
  std::int64_t rank = 0;   // of the projection to the time steps
  double initializer_range = 0.1, start_scale = 1;

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
