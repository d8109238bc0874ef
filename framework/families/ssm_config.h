// What the configurations of Mamba and Mamba-2 have in common, in both layouts that hold them: that
// of transformers and that of mamba_ssm.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "framework/core/parameter.h"
#include "framework/families/config_reader.h"

namespace peryton {

struct SsmConfig {
  std::int64_t width = 0, layers = 0;
  std::int64_t vocabulary = 0;  // rows of the table, padding included
  std::int64_t state = 16, conv = 4;
  double eps = 1e-5;
  double start_min = 1e-3, start_max = 0.1, start_floor = 1e-4;  // time steps of a fresh model
  bool projection_bias = false, conv_bias = true, tied = true, residual_in_fp32 = true;
  nlohmann::json special_ids = nlohmann::json::object();  // bos, eos and pad ids, as found
};

// Takes missing keys from what `config` holds; `name` is the model's name in errors.
void read_ssm_transformers(SsmConfig& config, const nlohmann::json& json,
                           const ConfigReader& reader, const char* name);
// `top` is the file, `ssm` its ssm_cfg.
void read_ssm_original(SsmConfig& config, const nlohmann::json& json, const ConfigReader& top,
                       const ConfigReader& ssm, const char* name);
// The layout of transformers.
nlohmann::json write_ssm(const SsmConfig& config, const char* class_name, const char* model_type);

// mamba_ssm says "embedding"; some published folders put "model." before every name.
std::string canonical_ssm_name(const std::string& file_name);

// Fills a parameter that both models have and fill alike: norms and D 1; linear and convolution
// weights U(+-1/sqrt(fan in)), the projection into the residual stream smaller by sqrt(layers);
// embeddings N(0, 0.02^2).
void fill_ssm_parameter(const SsmConfig& config, const Parameter& parameter, std::uint64_t seed);
// softplus of the biases is log-uniform in the configured range of time steps.
void fill_time_steps(const SsmConfig& config, const Parameter& bias, std::uint64_t seed);

}  // namespace peryton
