// SPDX-License-Identifier: Apache-2.0
#include "framework/families/mamba/config.h"

#include "framework/core/error.h"
#include "framework/families/common_settings.h"

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
  if (c.conv > 16) reader.refuse(fmt::format("convolution width {} is above 16", c.conv));
  if (!(c.eps > 0)) reader.refuse("the norm's epsilon must be positive");
  if (!(c.start_min > 0 && c.start_min <= c.start_max)) {
    reader.refuse("the time steps of a fresh model need 0 < low <= high");
  }
}

// Defaults: class MambaConfig of transformers.
Config read_transformers(const nlohmann::json& json, const std::string& where) {
  const ConfigReader reader(json, where);
  Config c;
  c.width = reader.count("hidden_size", 768);
  c.layers = reader.count("num_hidden_layers", 32);
  c.vocabulary = reader.count("vocab_size", 50280);
  c.inner = reader.count("expand", 2) * c.width;
  // Written by some releases; transformers computes it anew.
  if (reader.count("intermediate_size", c.inner) != c.inner) {
    reader.refuse("'intermediate_size' is not expand x hidden_size");
  }
  c.state = reader.count("state_size", 16);
  c.conv = reader.count("conv_kernel", 4);
  c.rank = rank_of(json, "time_step_rank", reader, c.width);
  c.eps = reader.number("layer_norm_epsilon", 1e-5);
  c.initializer_range = reader.number("initializer_range", 0.1);
  c.start_min = reader.number("time_step_min", c.start_min);
  c.start_max = reader.number("time_step_max", c.start_max);
  c.start_floor = reader.number("time_step_floor", c.start_floor);
  c.start_scale = reader.number("time_step_scale", c.start_scale);
  c.projection_bias = reader.flag("use_bias", false);
  c.conv_bias = reader.flag("use_conv_bias", true);
  c.tied = reader.flag("tie_word_embeddings", true);
  c.residual_in_fp32 = reader.flag("residual_in_fp32", true);
  const std::string act = reader.text("hidden_act", "silu");
  if (act != "silu" && act != "swish") {
    reader.refuse(fmt::format("'hidden_act' is '{}'; Mamba here knows 'silu'", act));
  }
  c.special_ids = special_ids(json);
  check(c, reader);
  return c;
}

// Defaults: class Mamba and MambaConfig of mamba_ssm.
Config read_mamba_ssm(const nlohmann::json& json, const std::string& where) {
  const ConfigReader top(json, where), ssm(json.at("ssm_cfg"), where + ", ssm_cfg");
  Config c;
  c.width = top.count("d_model");
  c.layers = top.count("n_layer");
  const std::int64_t multiple = top.count("pad_vocab_size_multiple", 8);
  c.vocabulary = (top.count("vocab_size") + multiple - 1) / multiple * multiple;
  c.inner = ssm.count("expand", 2) * c.width;
  c.state = ssm.count("d_state", 16);
  c.conv = ssm.count("d_conv", 4);
  c.rank = rank_of(json.at("ssm_cfg"), "dt_rank", ssm, c.width);
  c.start_min = ssm.number("dt_min", c.start_min);
  c.start_max = ssm.number("dt_max", c.start_max);
  c.start_floor = ssm.number("dt_init_floor", c.start_floor);
  c.start_scale = ssm.number("dt_scale", c.start_scale);
  c.projection_bias = ssm.flag("bias", false);
  c.conv_bias = ssm.flag("conv_bias", true);
  c.tied = top.flag("tie_embeddings", true);
  c.residual_in_fp32 = top.flag("residual_in_fp32", true);
  if (json.contains("attn_layer_idx") && !json.at("attn_layer_idx").empty()) {
    top.refuse("the model mixes in attention layers ('attn_layer_idx')",
               "make a hybrid of a Mamba and an attention component instead");
  }
  if (top.number("d_intermediate", 0) > 0) {
    top.refuse("the model has MLP blocks ('d_intermediate'), which this family does not");
  }
  if (!top.flag("rms_norm", true)) top.refuse("'rms_norm' is false: LayerNorm blocks");
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
  nlohmann::json json = c.special_ids;
  json["architectures"] = {"MambaForCausalLM"};
  json["model_type"] = "mamba";
  json["hidden_size"] = c.width;
  json["num_hidden_layers"] = c.layers;
  json["vocab_size"] = c.vocabulary;
  json["expand"] = c.expand();
  json["intermediate_size"] = c.inner;
  json["state_size"] = c.state;
  json["conv_kernel"] = c.conv;
  json["time_step_rank"] = c.rank;
  json["layer_norm_epsilon"] = c.eps;
  json["initializer_range"] = c.initializer_range;
  json["time_step_min"] = c.start_min;
  json["time_step_max"] = c.start_max;
  json["time_step_floor"] = c.start_floor;
  json["time_step_scale"] = c.start_scale;
  json["use_bias"] = c.projection_bias;
  json["use_conv_bias"] = c.conv_bias;
  json["hidden_act"] = "silu";
  json["tie_word_embeddings"] = c.tied;
  json["residual_in_fp32"] = c.residual_in_fp32;
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
