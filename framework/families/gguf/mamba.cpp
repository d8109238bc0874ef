// Mamba and Mamba-2.
// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "framework/core/error.h"
#include "framework/families/gguf/architecture.h"

namespace peryton::gguf {
namespace {

constexpr WeightName kMambaWeights[] = {
    {"token_embd.weight", "backbone.embeddings.weight"},
    {"output_norm.weight", "backbone.norm_f.weight"},
    {"output.weight", "lm_head.weight"},
    {"blk.#.attn_norm.weight", "backbone.layers.#.norm.weight"},
    {"blk.#.ssm_in.weight", "backbone.layers.#.mixer.in_proj.weight"},
    {"blk.#.ssm_conv1d.weight", "backbone.layers.#.mixer.conv1d.weight", Change::kNarrow},
    {"blk.#.ssm_conv1d.bias", "backbone.layers.#.mixer.conv1d.bias"},
    {"blk.#.ssm_x.weight", "backbone.layers.#.mixer.x_proj.weight"},
    {"blk.#.ssm_dt.weight", "backbone.layers.#.mixer.dt_proj.weight"},
    {"blk.#.ssm_dt.bias", "backbone.layers.#.mixer.dt_proj.bias"},
    {"blk.#.ssm_a", "backbone.layers.#.mixer.A_log", Change::kNegativeExponential},
    {"blk.#.ssm_d", "backbone.layers.#.mixer.D"},
    {"blk.#.ssm_out.weight", "backbone.layers.#.mixer.out_proj.weight"},
};

constexpr WeightName kMamba2Weights[] = {
    {"token_embd.weight", "backbone.embeddings.weight"},
    {"output_norm.weight", "backbone.norm_f.weight"},
    {"output.weight", "lm_head.weight"},
    {"blk.#.attn_norm.weight", "backbone.layers.#.norm.weight"},
    {"blk.#.ssm_in.weight", "backbone.layers.#.mixer.in_proj.weight"},
    {"blk.#.ssm_conv1d.weight", "backbone.layers.#.mixer.conv1d.weight", Change::kNarrow},
    {"blk.#.ssm_conv1d.bias", "backbone.layers.#.mixer.conv1d.bias"},
    {"blk.#.ssm_dt.bias", "backbone.layers.#.mixer.dt_bias"},
    {"blk.#.ssm_a", "backbone.layers.#.mixer.A_log", Change::kFlatNegativeExponential},
    {"blk.#.ssm_d", "backbone.layers.#.mixer.D", Change::kFlat},
    {"blk.#.ssm_norm.weight", "backbone.layers.#.mixer.norm.weight", Change::kFlat},
    {"blk.#.ssm_out.weight", "backbone.layers.#.mixer.out_proj.weight"},
};

// What both have. `inner` must be `width` times a whole number.
nlohmann::json shared_config(const Settings& settings, const char* model_type,
                             const char* class_name) {
  nlohmann::json config = common_config(settings, model_type, class_name);
  const std::int64_t width = settings.count("embedding_length");
  const std::int64_t inner = settings.count("ssm.inner_size");
  if (inner % width != 0) {
    fail_input(fmt::format("inner size {} is no multiple of the width {}", inner, width),
               settings.file().where());
  }
  config["hidden_size"] = width;
  config["num_hidden_layers"] = settings.count("block_count");
  config["state_size"] = settings.count("ssm.state_size");
  config["conv_kernel"] = settings.count("ssm.conv_kernel");
  config["expand"] = inner / width;
  config["layer_norm_epsilon"] = settings.number("attention.layer_norm_rms_epsilon");
  config["hidden_act"] = "silu";
  config["use_bias"] = false;
  config["use_conv_bias"] = settings.file().tensors().count("blk.0.ssm_conv1d.bias") != 0;
  config["rms_norm"] = true;
  config["residual_in_fp32"] = true;
  return config;
}

nlohmann::json mamba_config(const Settings& settings) {
  nlohmann::json config = shared_config(settings, "mamba", "MambaForCausalLM");
  config["intermediate_size"] = settings.count("ssm.inner_size");
  config["time_step_rank"] = settings.count("ssm.time_step_rank");
  return config;
}

nlohmann::json mamba2_config(const Settings& settings) {
  nlohmann::json config = shared_config(settings, "mamba2", "Mamba2ForCausalLM");
  const std::int64_t heads = settings.count("ssm.time_step_rank");
  config["num_heads"] = heads;
  config["head_dim"] = std::max<std::int64_t>(1, settings.count("ssm.inner_size") / heads);
  config["n_groups"] = settings.count("ssm.group_count", 1);
  return config;
}

}  // namespace

// Mamba's own models use GPT-NeoX's tokenizer.
const Architecture kMamba{"mamba", kMambaWeights, {}, mamba_config, "mpt"};
const Architecture kMamba2{"mamba2", kMamba2Weights, {}, mamba2_config, "mpt"};

}  // namespace peryton::gguf
