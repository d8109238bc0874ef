// SPDX-License-Identifier: Apache-2.0
#include "framework/families/llama/config.h"

#include <algorithm>

#include "framework/core/error.h"

namespace peryton::llama {
namespace {

void check(const Config& c, const ConfigReader& reader) {
  if (c.heads % c.kv_heads != 0) {
    reader.refuse(fmt::format("{} heads do not share {} heads of keys", c.heads, c.kv_heads));
  }
  if (c.head_width % 2 != 0) {
    reader.refuse(fmt::format("a head of {} elements: an odd number", c.head_width),
                  "rotary positions turn pairs of elements");
  }
  if (!(c.eps > 0)) reader.refuse("'rms_norm_eps' must be positive");
}

// Models whose layers differ have a list; ours are all alike.
void refuse_mixed_layers(const nlohmann::json& json, const ConfigReader& reader) {
  if (!reader.has("layer_types")) return;
  const nlohmann::json& types = json.at("layer_types");
  const bool alike = types.is_array() && std::ranges::all_of(types, [&](const auto& type) {
                       return type == types.front();
                     });
  if (!alike) reader.refuse("'layer_types' mixes kinds of attention, which this family does not");
}

// Defaults: LlamaConfig and MistralConfig of transformers.
void read_sizes(const ConfigReader& reader, bool mistral, Config& c) {
  c.width = reader.count("hidden_size", 4096);
  c.layers = reader.count("num_hidden_layers", 32);
  c.heads = reader.count("num_attention_heads", 32);
  c.kv_heads = reader.count("num_key_value_heads", mistral ? 8 : c.heads);
  if (!reader.has("head_dim") && c.width % c.heads != 0) {
    reader.refuse(fmt::format("width {} does not divide into {} heads", c.width, c.heads));
  }
  c.head_width = reader.count("head_dim", std::max<std::int64_t>(1, c.width / c.heads));
  c.mlp = reader.count("intermediate_size", mistral ? 14336 : 11008);
  c.vocabulary = reader.count("vocab_size", 32000);
  c.positions = reader.count("max_position_embeddings", mistral ? 131072 : 2048);
}

}  // namespace

Config read_config(const nlohmann::json& json, const std::string& where) {
  const ConfigReader reader(json, where);
  Config c;
  c.model_type = reader.text("model_type", "llama");
  const bool mistral = c.model_type == "mistral";
  read_sizes(reader, mistral, c);
  refuse_mixed_layers(json, reader);
  c.eps = reader.number("rms_norm_eps", 1e-6);
  c.initializer_range = reader.number("initializer_range", 0.02);
  c.activation = read_activation(reader, "hidden_act", "silu");
  c.tied = reader.flag("tie_word_embeddings", false);
  if (mistral) {
    // Null means no window; a missing key means the class's default.
    const bool unlimited = json.contains("sliding_window") && json.at("sliding_window").is_null();
    if (!unlimited) c.window = reader.count("sliding_window", 4096);
  } else {
    c.attention_bias = reader.flag("attention_bias", false);
    c.mlp_bias = reader.flag("mlp_bias", false);
  }
  c.rotary = read_rotary(json, reader, where, c.positions);
  check(c, reader);
  c.special_ids = special_ids(json);
  return c;
}

nlohmann::json write_config(const Config& c) {
  const bool mistral = c.model_type == "mistral";
  nlohmann::json json = c.special_ids;
  json["architectures"] = {mistral ? "MistralForCausalLM" : "LlamaForCausalLM"};
  json["model_type"] = c.model_type;
  json["hidden_size"] = c.width;
  json["num_hidden_layers"] = c.layers;
  json["num_attention_heads"] = c.heads;
  json["num_key_value_heads"] = c.kv_heads;
  json["head_dim"] = c.head_width;
  json["intermediate_size"] = c.mlp;
  json["vocab_size"] = c.vocabulary;
  json["max_position_embeddings"] = c.positions;
  json["rms_norm_eps"] = c.eps;
  json["initializer_range"] = c.initializer_range;
  json["hidden_act"] = c.activation.name;
  json["tie_word_embeddings"] = c.tied;
  json["attention_dropout"] = 0.0;
  if (mistral) {
    json["sliding_window"] = c.window > 0 ? nlohmann::json(c.window) : nlohmann::json();
  } else {
    json["attention_bias"] = c.attention_bias;
    json["mlp_bias"] = c.mlp_bias;
  }
  write_rotary(c.rotary, json);
  return json;
}

nlohmann::json config_from_settings(const nlohmann::json& settings, const std::string& where) {
  const ConfigReader reader(settings, where);
  reader.allow_only({"family", "width", "layers", "vocabulary", "heads", "kv_heads", "head_width",
                     "mlp", "rotary_base", "positions", "window", "tied"});
  const std::int64_t width = reader.count("width");
  const std::int64_t heads = reader.count("heads", default_heads(width));
  // 8/3 of the width makes three matrices as large as the two of an MLP of 4 times the width.
  const std::int64_t mlp = (8 * width / 3 + 15) / 16 * 16;
  nlohmann::json config = {{"model_type", reader.has("window") ? "mistral" : "llama"},
                           {"hidden_size", width},
                           {"num_hidden_layers", reader.count("layers")},
                           {"vocab_size", reader.count("vocabulary")},
                           {"num_attention_heads", heads},
                           {"num_key_value_heads", reader.count("kv_heads", heads)},
                           {"intermediate_size", reader.count("mlp", mlp)},
                           {"max_position_embeddings", reader.count("positions", 2048)},
                           {"rope_theta", reader.number("rotary_base", 10000)},
                           {"tie_word_embeddings", reader.flag("tied", false)}};
  if (reader.has("head_width")) config["head_dim"] = reader.count("head_width");
  if (reader.has("window")) config["sliding_window"] = reader.count("window");
  return write_config(read_config(config, where));
}

}  // namespace peryton::llama
