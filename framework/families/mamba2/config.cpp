// SPDX-License-Identifier: Apache-2.0
#include "framework/families/mamba2/config.h"

#include <algorithm>
#include <cmath>

#include "framework/core/error.h"
#include "framework/families/common_settings.h"

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
  if (config.conv > 16) reader.refuse(fmt::format("convolution width {} is above 16", config.conv));
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
  c.width = reader.count("hidden_size", 4096);
  c.layers = reader.count("num_hidden_layers", 64);
  c.vocabulary = reader.count("vocab_size", 32768);
  c.heads = reader.count("num_heads", 128);
  c.head_dim = reader.count("head_dim", 64);
  c.state = reader.count("state_size", 128);
  c.groups = reader.count("n_groups", 8);
  c.norm_groups = reader.count("norm_group_count", c.groups);
  c.conv = reader.count("conv_kernel", 4);
  c.chunk = reader.count("chunk_size", 256);
  c.expand = reader.count("expand", 2);
  c.eps = reader.number("layer_norm_epsilon", 1e-5);
  c.start_min = reader.number("time_step_min", c.start_min);
  c.start_max = reader.number("time_step_max", c.start_max);
  c.start_floor = reader.number("time_step_floor", c.start_floor);
  read_limits(json, "time_step_limit", reader, c);
  c.projection_bias = reader.flag("use_bias", false);
  c.conv_bias = reader.flag("use_conv_bias", true);
  c.tied = reader.flag("tie_word_embeddings", false);
  c.residual_in_fp32 = reader.flag("residual_in_fp32", true);
  if (reader.flag("norm_before_gate", false)) {
    reader.refuse("'norm_before_gate' is true", "transformers normalises after the gate only");
  }
  if (!reader.flag("rms_norm", true)) reader.refuse("'rms_norm' is false: not a known variant");
  const std::string act = reader.text("hidden_act", "silu");
  if (act != "silu" && act != "swish") {
    reader.refuse(fmt::format("'hidden_act' is '{}'; Mamba-2 here knows 'silu'", act));
  }
  c.special_ids = special_ids(json);
  check(c, reader);
  return c;
}

void refuse_unsupported(const nlohmann::json& json, const ConfigReader& top,
                        const ConfigReader& ssm, std::int64_t inner) {
  if (json.contains("attn_layer_idx") && !json.at("attn_layer_idx").empty()) {
    top.refuse("the model mixes in attention layers ('attn_layer_idx')",
               "make a hybrid of a Mamba-2 and an attention component instead");
  }
  if (top.number("d_intermediate", 0) > 0) {
    top.refuse("the model has MLP blocks ('d_intermediate'), which this family does not");
  }
  if (!top.flag("rms_norm", true)) top.refuse("'rms_norm' is false: LayerNorm blocks");
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
  c.width = top.count("d_model");
  c.layers = top.count("n_layer");
  const std::int64_t multiple = top.count("pad_vocab_size_multiple", 8);
  c.vocabulary = (top.count("vocab_size") + multiple - 1) / multiple * multiple;
  c.expand = ssm.count("expand", 2);
  c.head_dim = ssm.count("headdim", 64);
  c.heads = c.expand * c.width / c.head_dim;
  c.state = ssm.count("d_state", 128);
  c.groups = ssm.count("ngroups", 1);
  c.norm_groups = c.groups;
  c.conv = ssm.count("d_conv", 4);
  c.chunk = ssm.count("chunk_size", 256);
  c.start_min = ssm.number("dt_min", c.start_min);
  c.start_max = ssm.number("dt_max", c.start_max);
  c.start_floor = ssm.number("dt_init_floor", c.start_floor);
  read_limits(json.at("ssm_cfg"), "dt_limit", ssm, c);
  c.projection_bias = ssm.flag("bias", false);
  c.conv_bias = ssm.flag("conv_bias", true);
  c.norm_before_gate = ssm.flag("norm_before_gate", false);
  c.tied = top.flag("tie_embeddings", true);
  c.residual_in_fp32 = top.flag("residual_in_fp32", true);
  refuse_unsupported(json, top, ssm, c.expand * c.width);
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
  nlohmann::json json = c.special_ids;
  json["architectures"] = {"Mamba2ForCausalLM"};
  json["model_type"] = "mamba2";
  json["hidden_size"] = c.width;
  json["num_hidden_layers"] = c.layers;
  json["vocab_size"] = c.vocabulary;
  json["num_heads"] = c.heads;
  json["head_dim"] = c.head_dim;
  json["state_size"] = c.state;
  json["n_groups"] = c.groups;
  json["conv_kernel"] = c.conv;
  json["chunk_size"] = c.chunk;
  json["expand"] = c.expand;
  json["layer_norm_epsilon"] = c.eps;
  json["time_step_min"] = c.start_min;
  json["time_step_max"] = c.start_max;
  json["time_step_floor"] = c.start_floor;
  // No limits is every version's default; how to write infinity is not.
  if (c.dt_min > 0 || std::isfinite(c.dt_max)) json["time_step_limit"] = {c.dt_min, c.dt_max};
  json["use_bias"] = c.projection_bias;
  json["use_conv_bias"] = c.conv_bias;
  json["hidden_act"] = "silu";
  json["rms_norm"] = true;
  json["norm_before_gate"] = false;
  json["tie_word_embeddings"] = c.tied;
  json["residual_in_fp32"] = c.residual_in_fp32;
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
