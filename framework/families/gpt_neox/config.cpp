// SPDX-License-Identifier: Apache-2.0
#include "framework/families/gpt_neox/config.h"

#include "framework/core/error.h"
#include "framework/families/common_settings.h"

namespace peryton::gpt_neox {
namespace {

void refuse_scaled_rotary(const ConfigReader& reader, const std::string& type) {
  if (type == "default") return;
  reader.refuse(fmt::format("rotary positions of type '{}' are not known here", type),
                "only plain rotary positions (rope_type \"default\") are; contexts extended by "
                "scaling are not");
}

// transformers 5 keeps the rotary settings in rope_parameters, 4 in rotary_pct and rotary_emb_base
// with an optional rope_scaling; rope_theta at the top is known to both.
void read_rotary(const nlohmann::json& json, const ConfigReader& top, const std::string& where,
                 Config& c) {
  c.rotary_fraction = top.number("rotary_pct", c.rotary_fraction);
  c.rotary_base = top.number("rotary_emb_base", top.number("rope_theta", c.rotary_base));
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    if (!top.has(key)) continue;
    const ConfigReader rope(json.at(key), where + ", " + key);
    refuse_scaled_rotary(rope, rope.text("rope_type", rope.text("type", "default")));
    c.rotary_fraction = rope.number("partial_rotary_factor", c.rotary_fraction);
    c.rotary_base = rope.number("rope_theta", c.rotary_base);
  }
  c.rotary_width =
      static_cast<std::int64_t>(static_cast<double>(c.head_width()) * c.rotary_fraction);
}

void check(const Config& c, const ConfigReader& reader) {
  if (c.width % c.heads != 0) {
    reader.refuse(fmt::format("width {} does not divide into {} heads", c.width, c.heads));
  }
  if (!(c.rotary_fraction >= 0 && c.rotary_fraction <= 1)) {
    reader.refuse(fmt::format("the rotary part {} is not between 0 and 1", c.rotary_fraction));
  }
  if (c.rotary_width % 2 != 0) {
    reader.refuse(fmt::format("{} of {} elements of a head would turn: an odd number",
                              c.rotary_width, c.head_width()),
                  "rotary positions turn pairs of elements");
  }
  if (!(c.rotary_base > 0)) reader.refuse("the rotary base must be positive");
  if (!(c.eps > 0)) reader.refuse("'layer_norm_eps' must be positive");
}

}  // namespace

// Defaults: class GPTNeoXConfig of transformers.
Config read_config(const nlohmann::json& json, const std::string& where) {
  const ConfigReader reader(json, where);
  Config c;
  c.width = reader.count("hidden_size", 6144);
  c.layers = reader.count("num_hidden_layers", 44);
  c.heads = reader.count("num_attention_heads", 64);
  c.mlp = reader.count("intermediate_size", 24576);
  c.vocabulary = reader.count("vocab_size", 50432);
  c.positions = reader.count("max_position_embeddings", 2048);
  c.eps = reader.number("layer_norm_eps", 1e-5);
  c.initializer_range = reader.number("initializer_range", 0.02);
  c.parallel_residual = reader.flag("use_parallel_residual", true);
  c.tied = reader.flag("tie_word_embeddings", false);
  c.attention_bias = reader.flag("attention_bias", true);
  c.activation = read_activation(reader, "hidden_act", "gelu");
  if (c.width % c.heads == 0) read_rotary(json, reader, where, c);
  check(c, reader);
  c.special_ids = special_ids(json);
  return c;
}

nlohmann::json write_config(const Config& c) {
  nlohmann::json json = c.special_ids;
  json["architectures"] = {"GPTNeoXForCausalLM"};
  json["model_type"] = "gpt_neox";
  json["hidden_size"] = c.width;
  json["num_hidden_layers"] = c.layers;
  json["num_attention_heads"] = c.heads;
  json["intermediate_size"] = c.mlp;
  json["vocab_size"] = c.vocabulary;
  json["max_position_embeddings"] = c.positions;
  json["layer_norm_eps"] = c.eps;
  json["initializer_range"] = c.initializer_range;
  json["use_parallel_residual"] = c.parallel_residual;
  json["tie_word_embeddings"] = c.tied;
  json["attention_bias"] = c.attention_bias;
  json["hidden_act"] = c.activation.name;
  json["attention_dropout"] = 0.0;
  json["hidden_dropout"] = 0.0;
  json["rotary_pct"] = c.rotary_fraction;
  json["rotary_emb_base"] = c.rotary_base;
  json["rope_parameters"] = {{"rope_type", "default"},
                             {"rope_theta", c.rotary_base},
                             {"partial_rotary_factor", c.rotary_fraction}};
  return json;
}

nlohmann::json config_from_settings(const nlohmann::json& settings, const std::string& where) {
  const ConfigReader reader(settings, where);
  reader.allow_only({"family", "width", "layers", "vocabulary", "heads", "mlp", "rotary",
                     "positions", "activation", "parallel", "tied"});
  const std::int64_t width = reader.count("width");
  const double rotary = reader.number("rotary", 0.25);
  const nlohmann::json config = {
      {"model_type", "gpt_neox"},
      {"hidden_size", width},
      {"num_hidden_layers", reader.count("layers")},
      {"vocab_size", reader.count("vocabulary")},
      {"num_attention_heads", reader.count("heads", default_heads(width))},
      {"intermediate_size", reader.count("mlp", 4 * width)},
      {"max_position_embeddings", reader.count("positions", 2048)},
      {"hidden_act", reader.text("activation", "gelu")},
      {"use_parallel_residual", reader.flag("parallel", true)},
      {"tie_word_embeddings", reader.flag("tied", false)},
      {"rope_parameters", {{"rope_type", "default"}, {"partial_rotary_factor", rotary}}}};
  return write_config(read_config(config, where));
}

}  // namespace peryton::gpt_neox
