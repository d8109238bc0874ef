// Rotary positions of a config.json: base and scaling of the frequencies.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "framework/families/config_reader.h"

namespace peryton {

// f_j = base^(-2j / width), then
//   linear   f_j / factor
//   llama3   with the turns n_j = original_positions f_j / 2 pi of the pretraining context:
//            n_j > high: f_j; n_j < low: f_j / factor; between, s = (n_j - low) / (high - low):
//            (1 - s) f_j / factor + s f_j
struct RotaryConfig {
  std::string type = "default";
  double base = 10000, factor = 1, low = 1, high = 4;
  std::int64_t original_positions = 0;

  std::vector<double> frequencies(std::int64_t width) const;
};

// transformers 5 keeps the settings in rope_parameters, 4 has rope_theta at the top and an optional
// rope_scaling, whose `type` was once the name of rope_type. Other kinds of scaling are the user's
// error. `positions` stands in for a missing original_max_position_embeddings.
RotaryConfig read_rotary(const nlohmann::json& json, const ConfigReader& top,
                         const std::string& where, std::int64_t positions);

// Writes rope_theta, rope_scaling (null for "default") and rope_parameters, so that every release
// reads the same.
void write_rotary(const RotaryConfig& rotary, nlohmann::json& json);

}  // namespace peryton
