// SPDX-License-Identifier: Apache-2.0
#include "framework/families/mamba2/config.h"

#include <algorithm>
#include <cmath>

#include "framework/core/error.h"

namespace peryton::mamba2 {
namespace {

void check(const Config& config, const ConfigReader& reader) {
  if (config.heads % config.groups != 0) {
    reader.refuse(
        fmt::format("{} heads do not divide into {} groups", config.heads, config.groups));
  }
  if (config.inner() % config.norm_groups != 0) {
    reader.refuse(fmt::format("{} channels do not divide into {} norm groups", config.inner(),
                              config.norm_groups));
  }
  if (config.expand * config.width != config.inner()) {
    reader.refuse(fmt::format("expand {} x width {} is not {} heads x {}", config.expand,
                              config.width, config.heads, config.head_dim),
                  "inner width = expand x width = heads x head width");
  }
  if (!(config.eps > 0)) reader.refuse("the norm's epsilon must be positive");
}

// transformers 5 writes infinity as {"__float__": "Infinity"}, older releases as a bare word.
double limit_of(const nlohmann::json& value, const ConfigReader& reader) {
  if (value.is_number()) return value.get<double>();
  if (value.is_object() && value.value("__float__", "") == "Infinity") {
    return std::numeric_limits<double>::infinity();
  }
  reader.refuse(fmt::format("a time step limit is {}, which is no number", value.dump()));
}

void read_limits(const nlohmann::json& json, const char* key, const ConfigReader& reader,
                 Config& config) {
  if (!reader.has(key)) return;
  const nlohmann::json& value = json.at(key);
  if (!value.is_array() || value.size() != 2) {
    reader.refuse(fmt::format("'{}' is {}; it is a pair of numbers", key, value.dump()));
  }
  config.dt_min = limit_of(value[0], reader);
  config.dt_max = limit_of(value[1], reader);
  if (!(config.dt_min >= 0 && config.dt_min <= config.dt_max)) {
    reader.refuse(fmt::format("'{}' needs 0 <= low <= high", key));
  }
}

// Defaults: class Mamba2Config of transformers.
Config read_transformers(const nlohmann::json& json, const std::string& where) {
  const ConfigReader reader(json, where);
  Config c;
  c.width = 4096;
  c.layers = 64;
  c.vocabulary = 32768;
  c.state = 128;
  c.tied = false;
  read_ssm_transformers(c, json, reader, "Mamba-2");
  c.heads = reader.count("num_heads", 128);
  c.head_dim = reader.count("head_dim", 64);
  c.groups = reader.count("n_groups", 8);
  c.norm_groups = reader.count("norm_group_count", c.groups);
  c.chunk = reader.count("chunk_size", 256);
  c.expand = reader.count("expand", 2);
  read_limits(json, "time_step_limit", reader, c);
  if (reader.flag("norm_before_gate", false)) {
    reader.refuse("'norm_before_gate' is true", "transformers normalises after the gate only");
  }
  if (!reader.flag("rms_norm", true)) reader.refuse("'rms_norm' is false: not a known variant");
  check(c, reader);
  return c;
}

void refuse_unsupported(const ConfigReader& ssm, std::int64_t inner) {
  if (!ssm.flag("rmsnorm", true)) ssm.refuse("'ssm_cfg.rmsnorm' is false: no gated norm");
  if (ssm.flag("D_has_hdim", false)) ssm.refuse("'ssm_cfg.D_has_hdim' is true: D per channel");
  if (ssm.count("d_ssm", inner) != inner) {
    ssm.refuse("'ssm_cfg.d_ssm' is not the inner width: a gated MLP beside the scan");
  }
}

// Defaults: class Mamba2 and MambaConfig of mamba_ssm.
Config read_mamba_ssm(const nlohmann::json& json, const std::string& where) {
  const ConfigReader top(json, where), ssm(json.at("ssm_cfg"), where + ", ssm_cfg");
  Config c;
  c.state = 128;
  read_ssm_original(c, json, top, ssm, "Mamba-2");
  c.expand = ssm.count("expand", 2);
  c.head_dim = ssm.count("headdim", 64);
  c.heads = c.expand * c.width / c.head_dim;
  c.groups = ssm.count("ngroups", 1);
  c.norm_groups = c.groups;
  c.chunk = ssm.count("chunk_size", 256);
  read_limits(json.at("ssm_cfg"), "dt_limit", ssm, c);
  c.norm_before_gate = ssm.flag("norm_before_gate", false);
  refuse_unsupported(ssm, c.expand * c.width);
  check(c, top);
  return c;
}

}  // namespace

bool is_transformers_layout(const nlohmann::json& json) {
  return json.is_object() && json.value("model_type", nlohmann::json()) == "mamba2";
}

bool is_mamba_ssm_layout(const nlohmann::json& json) {
  if (!json.is_object() || !json.contains("ssm_cfg") || json.contains("model_type")) return false;
  const nlohmann::json& ssm = json.at("ssm_cfg");
  return ssm.is_object() && ssm.value("layer", nlohmann::json()) == "Mamba2";
}

Config read_config(const nlohmann::json& json, const std::string& where) {
  if (is_mamba_ssm_layout(json)) return read_mamba_ssm(json, where);
  if (is_transformers_layout(json)) return read_transformers(json, where);
  fail_input("this is no Mamba-2 config", where,
             "expected model_type \"mamba2\", or ssm_cfg.layer \"Mamba2\"");
}

nlohmann::json write_config(const Config& c) {
  if (c.norm_groups != c.groups) {
    fail_input(
        fmt::format("the gated norm has {} groups and B, C have {}: transformers' Mamba-2 "
                    "has one number for both",
                    c.norm_groups, c.groups));
  }
  if (c.norm_before_gate) {
    fail_input("the gated norm comes before the gate: transformers' Mamba-2 cannot say that");
  }
  nlohmann::json json = write_ssm(c, "Mamba2ForCausalLM", "mamba2");
  json["num_heads"] = c.heads;
  json["head_dim"] = c.head_dim;
  json["n_groups"] = c.groups;
  json["chunk_size"] = c.chunk;
  json["expand"] = c.expand;
  // No limits is every version's default; how to write infinity is not.
  if (c.dt_min > 0 || std::isfinite(c.dt_max)) json["time_step_limit"] = {c.dt_min, c.dt_max};
  json["rms_norm"] = true;
  json["norm_before_gate"] = false;
  return json;
}

nlohmann::json config_from_settings(const nlohmann::json& settings, const std::string& where) {
  const ConfigReader reader(settings, where);
  reader.allow_only({"width", "layers", "vocabulary", "state", "head_dim", "heads", "expand",
                     "groups", "conv", "chunk", "tied"});
  Config c;
  c.width = reader.count("width");
  c.layers = reader.count("layers");
  c.vocabulary = reader.count("vocabulary");
  c.expand = reader.count("expand", 2);
  const std::int64_t inner = c.expand * c.width;
  // Heads of 64 as in the published models, or narrower ones where 64 does not divide.
  std::int64_t head_dim = 64;
  while (inner % head_dim != 0) head_dim /= 2;
  if (reader.has("heads")) head_dim = std::max<std::int64_t>(1, inner / reader.count("heads"));
  c.head_dim = reader.count("head_dim", head_dim);
  c.heads = reader.count("heads", std::max<std::int64_t>(1, inner / c.head_dim));
  c.state = reader.count("state", 64);
  c.groups = c.norm_groups = reader.count("groups", 1);
  c.conv = reader.count("conv", 4);
  c.chunk = reader.count("chunk", 64);
  c.tied = reader.flag("tied", true);
  check(c, reader);
  return write_config(c);
}

}  // namespace peryton::mamba2
