// What a MatMul-free language model is, read from the config.json of the published checkpoints
// (model_type hgrn_bit), and ours in the same layout.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "framework/ops/mlgru.h"

namespace peryton::mmfree {

struct Config {
  std::int64_t width = 0, layers = 0, mlp = 0;
  std::int64_t vocabulary = 0;    // rows of the table, padding included
  std::int64_t positions = 2048;  // max_position_embeddings: written back, no limit of ours
  double eps = 1e-6;              // of block, final and gate norms
  double initializer_range = 0.02;
  bool lower_bound = true, tied = false;
  // Not in published files. The eps of the norms inside ternary layers is what the published kernel
  // uses, whatever its modules print.
  double bit_eps = 1e-6;                        // "bit_linear_eps"
  MlgruGate gate = MlgruGate::kNormProjection;  // "output_gate"
  bool round_away = false;  // "rounding": "away" (half away from zero) instead of "even"
  bool ternary = true;      // false: the same layers without quantisers
  nlohmann::json special_ids = nlohmann::json::object();  // bos, eos and pad ids, as found
};

// The published rule: 8/3 of the width, rounded down and then up to a multiple of 256.
std::int64_t default_mlp(std::int64_t width, std::int64_t hidden_ratio);

// A missing key takes the default of the published configuration class. Errors are the user's;
// `where` names the file in them.
Config read_config(const nlohmann::json& json, const std::string& where);
nlohmann::json write_config(const Config& config);

// From the user's settings: width, layers, vocabulary (required), mlp, positions, output_gate,
// rounding, lower_bound, tied, ternary.
nlohmann::json config_from_settings(const nlohmann::json& settings, const std::string& where);

}  // namespace peryton::mmfree
