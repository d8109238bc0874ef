// SPDX-License-Identifier: Apache-2.0
#include "framework/families/gpt2/config.h"

#include "framework/core/error.h"

namespace peryton::gpt2 {
namespace {

std::int64_t either(const ConfigReader& reader, const char* own, const char* common,
                    std::int64_t fallback) {
  return reader.count(own, reader.count(common, fallback));
}

void check(const Config& c, const ConfigReader& reader) {
  if (c.width % c.heads != 0) {
    reader.refuse(fmt::format("width {} does not divide into {} heads", c.width, c.heads));
  }
  if (!(c.eps > 0)) reader.refuse("'layer_norm_epsilon' must be positive");
  if (reader.flag("add_cross_attention", false)) {
    reader.refuse("'add_cross_attention' is true: the decoder of another model's encoder");
  }
}

}  // namespace

// Defaults: class GPT2Config of transformers.
Config read_config(const nlohmann::json& json, const std::string& where) {
  const ConfigReader reader(json, where);
  Config c;
  c.width = either(reader, "n_embd", "hidden_size", 768);
  c.layers = either(reader, "n_layer", "num_hidden_layers", 12);
  c.heads = either(reader, "n_head", "num_attention_heads", 12);
  c.positions = either(reader, "n_positions", "max_position_embeddings", 1024);
  c.mlp = reader.count("n_inner", 4 * c.width);
  c.vocabulary = reader.count("vocab_size", 50257);
  c.eps = reader.number("layer_norm_epsilon", 1e-5);
  c.initializer_range = reader.number("initializer_range", 0.02);
  c.activation = read_activation(reader, "activation_function", "gelu_new");
  c.tied = reader.flag("tie_word_embeddings", true);
  c.scale_by_width = reader.flag("scale_attn_weights", true);
  c.scale_by_depth = reader.flag("scale_attn_by_inverse_layer_idx", false);
  check(c, reader);
  c.special_ids = special_ids(json);
  return c;
}

nlohmann::json write_config(const Config& c) {
  nlohmann::json json = c.special_ids;
  json["architectures"] = {"GPT2LMHeadModel"};
  json["model_type"] = "gpt2";
  json["n_embd"] = c.width;
  json["n_layer"] = c.layers;
  json["n_head"] = c.heads;
  json["n_inner"] = c.mlp;
  json["n_positions"] = c.positions;
  json["vocab_size"] = c.vocabulary;
  json["layer_norm_epsilon"] = c.eps;
  json["initializer_range"] = c.initializer_range;
  json["activation_function"] = c.activation.name;
  json["tie_word_embeddings"] = c.tied;
  json["scale_attn_weights"] = c.scale_by_width;
  json["scale_attn_by_inverse_layer_idx"] = c.scale_by_depth;
  for (const char* dropout : {"attn_pdrop", "embd_pdrop", "resid_pdrop"}) json[dropout] = 0.0;
  return json;
}

nlohmann::json config_from_settings(const nlohmann::json& settings, const std::string& where) {
  const ConfigReader reader(settings, where);
  reader.allow_only({"family", "width", "layers", "vocabulary", "heads", "mlp", "positions",
                     "activation", "tied"});
  const std::int64_t width = reader.count("width");
  const nlohmann::json config = {{"n_embd", width},
                                 {"n_layer", reader.count("layers")},
                                 {"vocab_size", reader.count("vocabulary")},
                                 {"n_head", reader.count("heads", default_heads(width))},
                                 {"n_inner", reader.count("mlp", 4 * width)},
                                 {"n_positions", reader.count("positions", 1024)},
                                 {"activation_function", reader.text("activation", "gelu_new")},
                                 {"tie_word_embeddings", reader.flag("tied", true)}};
  return write_config(read_config(config, where));
}

}  // namespace peryton::gpt2
