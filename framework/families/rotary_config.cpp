// SPDX-License-Identifier: Apache-2.0
#include "framework/families/rotary_config.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>

#include "framework/core/error.h"

namespace peryton {
namespace {

void check(const RotaryConfig& c, const ConfigReader& top) {
  if (c.type != "default" && c.type != "linear" && c.type != "llama3") {
    top.refuse(fmt::format("rotary positions of type '{}' are not known here", c.type),
               "known: default, linear, llama3");
  }
  if (!(c.base > 0)) top.refuse("'rope_theta' must be positive");
  if (!(c.factor > 0)) top.refuse("the rotary 'factor' must be positive");
  if (c.type == "llama3" && !(0 < c.low && c.low < c.high)) {
    top.refuse(fmt::format("llama3 positions with low_freq_factor {} and high_freq_factor {}",
                           c.low, c.high),
               "0 < low_freq_factor < high_freq_factor");
  }
}

void read_part(const ConfigReader& rope, RotaryConfig& c, std::int64_t positions) {
  c.type = rope.text("rope_type", rope.text("type", "default"));
  c.base = rope.number("rope_theta", c.base);
  if (c.type == "default") return;
  if (!rope.has("factor") && (c.type == "linear" || c.type == "llama3")) {
    rope.refuse("'factor' is missing");
  }
  c.factor = rope.number("factor", 1);
  c.low = rope.number("low_freq_factor", 1);
  c.high = rope.number("high_freq_factor", 4);
  c.original_positions = rope.count("original_max_position_embeddings", positions);
}

}  // namespace

std::vector<double> RotaryConfig::frequencies(std::int64_t width) const {
  std::vector<double> result;
  for (std::int64_t j = 0; j < width / 2; ++j) {
    const double plain = std::pow(base, -2 * static_cast<double>(j) / static_cast<double>(width));
    const double turns = static_cast<double>(original_positions) * plain / (2 * std::numbers::pi);
    double kept = 1;  // the part that stays as it is
    if (type == "linear" || (type == "llama3" && turns < low)) kept = 0;
    if (type == "llama3" && turns >= low && turns <= high) kept = (turns - low) / (high - low);
    result.push_back((1 - kept) * plain / factor + kept * plain);
  }
  return result;
}

RotaryConfig read_rotary(const nlohmann::json& json, const ConfigReader& top,
                         const std::string& where, std::int64_t positions) {
  RotaryConfig c;
  c.base = top.number("rope_theta", c.base);
  bool read = false;
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    if (!top.has(key) || read) continue;
    read = true;
    const ConfigReader rope(json.at(key), where + ", " + key);
    if (rope.number("partial_rotary_factor", 1) != 1) {
      rope.refuse("'partial_rotary_factor' is not 1: only whole heads turn here");
    }
    read_part(rope, c, positions);
  }
  check(c, top);
  return c;
}

void write_rotary(const RotaryConfig& c, nlohmann::json& json) {
  nlohmann::json rope = {{"rope_type", c.type}, {"rope_theta", c.base}};
  if (c.type != "default") rope["factor"] = c.factor;
  if (c.type == "llama3") {
    rope["low_freq_factor"] = c.low;
    rope["high_freq_factor"] = c.high;
    rope["original_max_position_embeddings"] = c.original_positions;
  }
  json["rope_parameters"] = rope;
  json["rope_theta"] = c.base;
  rope.erase("rope_theta");
  json["rope_scaling"] = c.type == "default" ? nlohmann::json() : rope;
}

}  // namespace peryton
