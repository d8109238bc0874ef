// What a BitNet b1.58 model is, read from the config.json of transformers.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace peryton::bitnet {

// How the linear layers of the blocks are stored and computed (quantization_config).
enum class Storage {
  kFullPrecision,    // no quantization_config: dense layers, as transformers reads such a folder
  kLatent,           // autobitlinear, online: weights are quantised on the way
  kScaleMultiplies,  // autobitlinear, offline: 2-bit weights, weight_scale = beta
  kScaleDivides,     // bitlinear: 2-bit weights, weight_scale = 1 / beta
};

// quant_method of files with five weights a byte: otherwise as kScaleMultiplies, and transformers
// refuses it. The loader makes two bits of it (framework/families/import.h).
inline constexpr const char* kFiveTritsMethod = "peryton-base3";

struct Config {
  std::int64_t width = 0, layers = 0, heads = 0, kv_heads = 0, head_width = 0, mlp = 0;
  std::int64_t vocabulary = 0;  // rows of the table, padding included
  std::int64_t positions = 0;   // max_position_embeddings: written back, no limit of ours
  double rotary_base = 500000, eps = 1e-5, initializer_range = 0.02;
  std::string activation_name = "relu2";
  bool tied = false;
  Storage storage = Storage::kLatent;
  nlohmann::json special_ids = nlohmann::json::object();  // bos, eos and pad ids, as found

  bool ternary() const { return storage != Storage::kFullPrecision; }
  bool packed() const {
    return storage == Storage::kScaleMultiplies || storage == Storage::kScaleDivides;
  }
};

// A missing key takes the default of transformers' BitNetConfig, but for quantization_config: one
// without linear_class is refused, since weight_scale means opposite things in the two classes.
// Errors are the user's; `where` names the file in them.
Config read_config(const nlohmann::json& json, const std::string& where);
nlohmann::json write_config(const Config& config);

// From the user's settings: width, layers, vocabulary (required), heads, kv_heads, mlp, positions,
// rotary_base, tied, ternary.
nlohmann::json config_from_settings(const nlohmann::json& settings, const std::string& where);

}  // namespace peryton::bitnet
