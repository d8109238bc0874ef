// What a Mamba-2 model is, read from either of its two config.json layouts.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

namespace peryton::mamba2 {

struct Config {
  std::int64_t width = 0, layers = 0,
               vocabulary = 0;  // vocabulary: rows of the table, padding included
  std::int64_t heads = 0, head_dim = 0, state = 0, groups = 1;
  std::int64_t norm_groups = 1;  // of the gated norm
  std::int64_t conv = 4, chunk = 256, expand = 2;
  double eps = 1e-5;
  double dt_min = 0, dt_max = std::numeric_limits<double>::infinity();  // limits of the time step
  double start_min = 1e-3, start_max = 0.1, start_floor = 1e-4;  // time steps of a fresh model
  bool projection_bias = false, conv_bias = true;
  bool tied = false, residual_in_fp32 = true, norm_before_gate = false;
  nlohmann::json special_ids = nlohmann::json::object();  // bos, eos and pad ids, as found

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
