// SPDX-License-Identifier: Apache-2.0
#include "framework/families/mamba/config.h"

#include "framework/core/error.h"

namespace peryton::mamba {
namespace {

// "auto" is a sixteenth of the width, rounded up.
std::int64_t rank_of(const nlohmann::json& json, const char* key, const ConfigReader& reader,
                     std::int64_t width) {
  const std::int64_t automatic = (width + 15) / 16;
  if (!reader.has(key) || json.at(key) == "auto") return automatic;
  return reader.count(key);
}

void check(const Config& c, const ConfigReader& reader) {
  if (!(c.eps > 0)) reader.refuse("the norm's epsilon must be positive");
  if (!(c.start_min > 0 && c.start_min <= c.start_max)) {
    reader.refuse("the time steps of a fresh model need 0 < low <= high");
  }
}

// Defaults: class MambaConfig of transformers.
Config read_transformers(const nlohmann::json& json, const std::string& where) {
  const ConfigReader reader(json, where);
  Config c;
  c.width = 768;
  c.layers = 32;
  c.vocabulary = 50280;
  read_ssm_transformers(c, json, reader, "Mamba");
  c.inner = reader.count("expand", 2) * c.width;
  // Written by some releases; transformers computes it anew.
  if (reader.count("intermediate_size", c.inner) != c.inner) {
    reader.refuse("'intermediate_size' is not expand x hidden_size");
  }
  c.rank = rank_of(json, "time_step_rank", reader, c.width);
  c.initializer_range = reader.number("initializer_range", 0.1);
  c.start_scale = reader.number("time_step_scale", c.start_scale);
  check(c, reader);
  return c;
}

// Defaults: class Mamba and MambaConfig of mamba_ssm.
Config read_mamba_ssm(const nlohmann::json& json, const std::string& where) {
  const ConfigReader top(json, where), ssm(json.at("ssm_cfg"), where + ", ssm_cfg");
  Config c;
  read_ssm_original(c, json, top, ssm, "Mamba");
  c.inner = ssm.count("expand", 2) * c.width;
  c.rank = rank_of(json.at("ssm_cfg"), "dt_rank", ssm, c.width);
  c.start_scale = ssm.number("dt_scale", c.start_scale);
  check(c, top);
  return c;
}

}  // namespace

bool is_transformers_layout(const nlohmann::json& json) {
  return json.is_object() && json.value("model_type", nlohmann::json()) == "mamba";
}

bool is_mamba_ssm_layout(const nlohmann::json& json) {
  if (!json.is_object() || !json.contains("ssm_cfg") || json.contains("model_type")) return false;
  const nlohmann::json& ssm = json.at("ssm_cfg");
  return ssm.is_object() && ssm.value("layer", nlohmann::json("Mamba1")) == "Mamba1";
}

Config read_config(const nlohmann::json& json, const std::string& where) {
  if (is_mamba_ssm_layout(json)) return read_mamba_ssm(json, where);
  if (is_transformers_layout(json)) return read_transformers(json, where);
  fail_input("this is no Mamba config", where,
             "expected model_type \"mamba\", or ssm_cfg without a layer");
}

nlohmann::json write_config(const Config& c) {
  nlohmann::json json = write_ssm(c, "MambaForCausalLM", "mamba");
  json["expand"] = c.expand();
  json["intermediate_size"] = c.inner;
  json["time_step_rank"] = c.rank;
  json["initializer_range"] = c.initializer_range;
  json["time_step_scale"] = c.start_scale;
  return json;
}

nlohmann::json config_from_settings(const nlohmann::json& settings, const std::string& where) {
  const ConfigReader reader(settings, where);
  reader.allow_only(
      {"family", "width", "layers", "vocabulary", "state", "expand", "conv", "rank", "tied"});
  Config c;
  c.width = reader.count("width");
  c.layers = reader.count("layers");
  c.vocabulary = reader.count("vocabulary");
  c.inner = reader.count("expand", 2) * c.width;
  c.state = reader.count("state", 16);
  c.conv = reader.count("conv", 4);
  c.rank = reader.count("rank", (c.width + 15) / 16);
  c.tied = reader.flag("tied", true);
  check(c, reader);
  return write_config(c);
}

}  // namespace peryton::mamba
