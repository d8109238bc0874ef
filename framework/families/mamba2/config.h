// What a Mamba-2 model is, read from either of its two config.json layouts.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "framework/families/ssm_config.h"

namespace peryton::mamba2 {

struct Config : SsmConfig {
  std::int64_t heads = 0, head_dim = 0, groups = 1;
  std::int64_t norm_groups = 1;  // of the gated norm
  std::int64_t chunk = 256, expand = 2;
  double dt_min = 0, dt_max = std::numeric_limits<double>::infinity();  // limits of the time step
  bool norm_before_gate = false;

  std::int64_t inner() const { return heads * head_dim; }
  std::int64_t shared() const { return groups * state; }                        // of B, and of C
  std::int64_t conv_channels() const { return inner() + 2 * shared(); }         // x, B, C
  std::int64_t projected() const { return inner() + conv_channels() + heads; }  // z, x, B, C, dt
};

bool is_transformers_layout(const nlohmann::json& json);
bool is_mamba_ssm_layout(const nlohmann::json& json);

// A missing key takes the default of the classes that wrote the layout, never one of ours:
// transformers' defaults are those of a 7B model. `where` names the file in errors, which are the
// user's.
Config read_config(const nlohmann::json& json, const std::string& where);

// The layout of transformers. A model that it cannot say is the user's error, with the reason.
nlohmann::json write_config(const Config& config);

// From the user's settings: width, layers, vocabulary (required), state, head_dim, heads, expand,
// groups, conv, chunk, tied. Returns the layout of transformers.
nlohmann::json config_from_settings(const nlohmann::json& settings, const std::string& where);

}  // namespace peryton::mamba2
