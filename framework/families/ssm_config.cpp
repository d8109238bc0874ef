// SPDX-License-Identifier: Apache-2.0
#include "framework/families/ssm_config.h"

#include <cmath>
#include <string_view>

#include "framework/core/error.h"
#include "framework/families/common_settings.h"
#include "framework/nn/initialise.h"

namespace peryton {
namespace {

double ssm_root(std::int64_t count) { return std::sqrt(static_cast<double>(count)); }

}  // namespace

void read_ssm_transformers(SsmConfig& c, const nlohmann::json& json, const ConfigReader& reader,
                           const char* name) {
  c.width = reader.count("hidden_size", c.width);
  c.layers = reader.count("num_hidden_layers", c.layers);
  c.vocabulary = reader.count("vocab_size", c.vocabulary);
  c.state = reader.count("state_size", c.state);
  c.conv = reader.count("conv_kernel", c.conv);
  c.eps = reader.number("layer_norm_epsilon", c.eps);
  c.start_min = reader.number("time_step_min", c.start_min);
  c.start_max = reader.number("time_step_max", c.start_max);
  c.start_floor = reader.number("time_step_floor", c.start_floor);
  c.projection_bias = reader.flag("use_bias", c.projection_bias);
  c.conv_bias = reader.flag("use_conv_bias", c.conv_bias);
  c.tied = reader.flag("tie_word_embeddings", c.tied);
  c.residual_in_fp32 = reader.flag("residual_in_fp32", c.residual_in_fp32);
  const std::string act = reader.text("hidden_act", "silu");
  if (act != "silu" && act != "swish") {
    reader.refuse(fmt::format("'hidden_act' is '{}'; {} here knows 'silu'", act, name));
  }
  c.special_ids = special_ids(json);
}

void read_ssm_original(SsmConfig& c, const nlohmann::json& json, const ConfigReader& top,
                       const ConfigReader& ssm, const char* name) {
  c.width = top.count("d_model");
  c.layers = top.count("n_layer");
  const std::int64_t multiple = top.count("pad_vocab_size_multiple", 8);
  c.vocabulary = (top.count("vocab_size") + multiple - 1) / multiple * multiple;
  c.state = ssm.count("d_state", c.state);
  c.conv = ssm.count("d_conv", c.conv);
  c.start_min = ssm.number("dt_min", c.start_min);
  c.start_max = ssm.number("dt_max", c.start_max);
  c.start_floor = ssm.number("dt_init_floor", c.start_floor);
  c.projection_bias = ssm.flag("bias", false);
  c.conv_bias = ssm.flag("conv_bias", true);
  c.tied = top.flag("tie_embeddings", true);
  c.residual_in_fp32 = top.flag("residual_in_fp32", true);
  if (json.contains("attn_layer_idx") && !json.at("attn_layer_idx").empty()) {
    top.refuse("the model mixes in attention layers ('attn_layer_idx')",
               fmt::format("make a hybrid of a {} and an attention component instead", name));
  }
  if (top.number("d_intermediate", 0) > 0) {
    top.refuse("the model has MLP blocks ('d_intermediate'), which this family does not");
  }
  if (!top.flag("rms_norm", true)) top.refuse("'rms_norm' is false: LayerNorm blocks");
}

nlohmann::json write_ssm(const SsmConfig& c, const char* class_name, const char* model_type) {
  nlohmann::json json = c.special_ids;
  json["architectures"] = {class_name};
  json["model_type"] = model_type;
  json["hidden_size"] = c.width;
  json["num_hidden_layers"] = c.layers;
  json["vocab_size"] = c.vocabulary;
  json["state_size"] = c.state;
  json["conv_kernel"] = c.conv;
  json["layer_norm_epsilon"] = c.eps;
  json["time_step_min"] = c.start_min;
  json["time_step_max"] = c.start_max;
  json["time_step_floor"] = c.start_floor;
  json["use_bias"] = c.projection_bias;
  json["use_conv_bias"] = c.conv_bias;
  json["hidden_act"] = "silu";
  json["tie_word_embeddings"] = c.tied;
  json["residual_in_fp32"] = c.residual_in_fp32;
  return json;
}

std::string canonical_ssm_name(const std::string& file_name) {
  std::string name = file_name;
  if (name.starts_with("model.")) name.erase(0, 6);
  if (name == "backbone.embedding.weight") return "backbone.embeddings.weight";
  return name;
}

void fill_ssm_parameter(const SsmConfig& c, const Parameter& parameter, std::uint64_t seed) {
  const std::string_view name = parameter.name;
  const Shape& shape = parameter.value.shape();
  if (name.ends_with("embeddings.weight")) {
    fill_normal(parameter, seed, 0.02);
  } else if (name.ends_with("conv1d.weight") || name.ends_with("conv1d.bias")) {
    fill_uniform(parameter, seed, 1 / ssm_root(c.conv));
  } else if (name.ends_with("proj.bias")) {
    parameter.value.fill(0);
  } else if (shape.rank() == 1) {  // norms and D
    parameter.value.fill(1);
  } else {
    const double depth = name.ends_with("out_proj.weight") ? ssm_root(c.layers) : 1;
    fill_uniform(parameter, seed, 1 / ssm_root(shape[-1]) / depth);
  }
}

void fill_time_steps(const SsmConfig& c, const Parameter& bias, std::uint64_t seed) {
  fill_random(bias, seed, [&](const Rng& rng, std::uint64_t i) {
    return time_step_bias(c.start_min, c.start_max, c.start_floor, rng.uniform(i));
  });
}

}  // namespace peryton
