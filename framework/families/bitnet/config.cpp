// SPDX-License-Identifier: Apache-2.0
#include "framework/families/bitnet/config.h"

#include <algorithm>

#include "framework/core/error.h"
#include "framework/families/common_settings.h"

namespace peryton::bitnet {
namespace {

constexpr const char* kWhichClass =
    "add \"linear_class\": \"autobitlinear\" if the file's weight_scale multiplies (it is the mean "
    "magnitude of the weights, as in bitnet-b1.58-2B-4T), or \"bitlinear\" if it divides; the "
    "numbers alone cannot tell";

// Modules that stay dense: the head always does, and nothing else may.
void refuse_mixed_layers(const nlohmann::json& json, const ConfigReader& reader) {
  if (!reader.has("modules_to_not_convert")) return;
  for (const nlohmann::json& name : json.at("modules_to_not_convert")) {
    if (name == "lm_head") continue;
    reader.refuse(
        fmt::format("{} is not to be converted: only the head may stay dense here", name.dump()));
  }
}

Storage read_storage(const nlohmann::json& json, const ConfigReader& top,
                     const std::string& where) {
  if (!top.has("quantization_config")) return Storage::kFullPrecision;
  const ConfigReader reader(json.at("quantization_config"), where + ", quantization_config");
  const std::string method = reader.text("quant_method", "bitnet");
  if (method != "bitnet" && method != kFiveTritsMethod) {
    reader.refuse(fmt::format("quantization method '{}' is not known here", method),
                  fmt::format("known: bitnet, {}", kFiveTritsMethod));
  }
  if (reader.flag("use_rms_norm", false)) {
    reader.refuse("'use_rms_norm' is true: norms inside the linear layers are not known here");
  }
  refuse_mixed_layers(json.at("quantization_config"), reader);
  const std::string mode = reader.text("quantization_mode", "offline");
  if (mode != "online" && mode != "offline") {
    reader.refuse(fmt::format("quantization mode '{}' is not known here", mode),
                  "known: online, offline");
  }
  if (!reader.has("linear_class")) reader.refuse("'linear_class' is missing", kWhichClass);
  const std::string linear = reader.text("linear_class", "");
  if (linear == "bitlinear") return Storage::kScaleDivides;
  if (linear == "autobitlinear") {
    return mode == "online" ? Storage::kLatent : Storage::kScaleMultiplies;
  }
  reader.refuse(fmt::format("linear class '{}' is not known here", linear), kWhichClass);
}

void read_rotary(const nlohmann::json& json, const ConfigReader& top, const std::string& where,
                 Config& c) {
  c.rotary_base = top.number("rope_theta", c.rotary_base);
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    if (!top.has(key)) continue;
    const ConfigReader rope(json.at(key), where + ", " + key);
    const std::string type = rope.text("rope_type", rope.text("type", "default"));
    if (type != "default") {
      top.refuse(fmt::format("rotary positions of type '{}' are not known here", type),
                 "only plain rotary positions (rope_type \"default\") are");
    }
    c.rotary_base = rope.number("rope_theta", c.rotary_base);
  }
}

void check(const Config& c, const ConfigReader& reader) {
  if (c.heads % c.kv_heads != 0) {
    reader.refuse(fmt::format("{} heads do not share {} key-value heads", c.heads, c.kv_heads));
  }
  if (c.head_width % 2 != 0) {
    reader.refuse(fmt::format("heads are {} wide: an odd number", c.head_width),
                  "rotary positions turn pairs of elements");
  }
  if (c.heads * c.head_width != c.width) {
    reader.refuse(
        fmt::format("{} heads of {} are not the width {}", c.heads, c.head_width, c.width),
        "the norm after attention is as wide as the model");
  }
  if (!(c.rotary_base > 0)) reader.refuse("the rotary base must be positive");
  if (!(c.eps > 0)) reader.refuse("'rms_norm_eps' must be positive");
}

}  // namespace

Config read_config(const nlohmann::json& json, const std::string& where) {
  const ConfigReader reader(json, where);
  Config c;
  c.width = reader.count("hidden_size", 2560);
  c.layers = reader.count("num_hidden_layers", 30);
  c.heads = reader.count("num_attention_heads", 20);
  // A null means as many as heads; a missing key is the class's default.
  c.kv_heads =
      json.contains("num_key_value_heads") ? reader.count("num_key_value_heads", c.heads) : 5;
  c.head_width = reader.count("head_dim", std::max<std::int64_t>(1, c.width / c.heads));
  c.mlp = reader.count("intermediate_size", 6912);
  c.vocabulary = reader.count("vocab_size", 128256);
  c.positions = reader.count("max_position_embeddings", 2048);
  c.eps = reader.number("rms_norm_eps", 1e-5);
  c.initializer_range = reader.number("initializer_range", 0.02);
  c.tied = reader.flag("tie_word_embeddings", false);
  c.activation_name = reader.text("hidden_act", "relu2");
  if (c.activation_name != "relu2") {
    reader.refuse(fmt::format("activation '{}' is not known here", c.activation_name),
                  "known: relu2");
  }
  if (reader.flag("attention_bias", false)) {
    reader.refuse("'attention_bias' is true: ternary layers have no bias here");
  }
  read_rotary(json, reader, where, c);
  c.storage = read_storage(json, reader, where);
  check(c, reader);
  c.special_ids = special_ids(json);
  return c;
}

nlohmann::json write_config(const Config& c) {
  nlohmann::json json = c.special_ids;
  // Those of transformers' class lie beyond other vocabularies.
  for (const char* key : {"bos_token_id", "eos_token_id"}) {
    if (!json.contains(key)) json[key] = nullptr;
  }
  json["architectures"] = {"BitNetForCausalLM"};
  json["model_type"] = "bitnet";
  json["hidden_size"] = c.width;
  json["num_hidden_layers"] = c.layers;
  json["num_attention_heads"] = c.heads;
  json["num_key_value_heads"] = c.kv_heads;
  json["intermediate_size"] = c.mlp;
  json["vocab_size"] = c.vocabulary;
  json["max_position_embeddings"] = c.positions;
  json["rms_norm_eps"] = c.eps;
  json["initializer_range"] = c.initializer_range;
  json["hidden_act"] = c.activation_name;
  json["tie_word_embeddings"] = c.tied;
  json["attention_bias"] = false;
  json["attention_dropout"] = 0.0;
  json["rope_theta"] = c.rotary_base;
  json["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", c.rotary_base}};
  if (!c.ternary()) return json;
  json["quantization_config"] = {
      {"quant_method", "bitnet"},
      {"linear_class", c.storage == Storage::kScaleDivides ? "bitlinear" : "autobitlinear"},
      {"quantization_mode", c.packed() ? "offline" : "online"},
      {"modules_to_not_convert", {"lm_head"}}};
  return json;
}

namespace {

std::int64_t default_heads(std::int64_t width) {
  for (const std::int64_t head : {128, 64, 48, 32, 24, 16, 8}) {
    if (width % head == 0) return width / head;
  }
  return 1;
}

// 2.7 times the width; a multiple of four can be packed.
std::int64_t default_mlp(std::int64_t width) { return (27 * width / 10 + 3) / 4 * 4; }

}  // namespace

nlohmann::json config_from_settings(const nlohmann::json& settings, const std::string& where) {
  const ConfigReader reader(settings, where);
  reader.allow_only({"family", "width", "layers", "vocabulary", "heads", "kv_heads", "mlp",
                     "positions", "rotary_base", "tied", "ternary"});
  const std::int64_t width = reader.count("width");
  const std::int64_t heads = reader.count("heads", default_heads(width));
  nlohmann::json config = {{"model_type", "bitnet"},
                           {"hidden_size", width},
                           {"num_hidden_layers", reader.count("layers")},
                           {"vocab_size", reader.count("vocabulary")},
                           {"num_attention_heads", heads},
                           {"num_key_value_heads", reader.count("kv_heads", heads)},
                           {"intermediate_size", reader.count("mlp", default_mlp(width))},
                           {"max_position_embeddings", reader.count("positions", 4096)},
                           {"rope_theta", reader.number("rotary_base", 500000)},
                           {"tie_word_embeddings", reader.flag("tied", true)}};
  if (reader.flag("ternary", true)) {
    config["quantization_config"] = {{"linear_class", "autobitlinear"},
                                     {"quantization_mode", "online"}};
  }
  return write_config(read_config(config, where));
}

}  // namespace peryton::bitnet
