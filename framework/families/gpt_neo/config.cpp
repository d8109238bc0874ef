// SPDX-License-Identifier: Apache-2.0
#include "framework/families/gpt_neo/config.h"

#include "framework/core/error.h"

namespace peryton::gpt_neo {
namespace {

constexpr const char* kTypesHint =
    "it is a list of [[names], count], for example [[[\"global\", \"local\"], 12]]";

bool is_local(const nlohmann::json& name, const ConfigReader& reader) {
  if (name == "local") return true;
  if (name != "global") {
    reader.refuse(fmt::format("attention of type {} in 'attention_types'", name.dump()),
                  "known: global, local");
  }
  return false;
}

// [[["global", "local"], 12]] is twelve times one global and one local block.
std::vector<bool> expand(const nlohmann::json& types, const ConfigReader& reader) {
  std::vector<bool> local;
  constexpr std::int64_t kMost = 100000;
  if (!types.is_array()) reader.refuse("'attention_types' is no list", kTypesHint);
  for (const nlohmann::json& item : types) {
    const bool pair = item.is_array() && item.size() == 2 && item[0].is_array();
    const std::int64_t count =
        pair && item[1].is_number_integer() ? item[1].get<std::int64_t>() : -1;
    if (count < 0 || count > kMost) {
      reader.refuse(fmt::format("'attention_types' holds {}", item.dump()), kTypesHint);
    }
    for (std::int64_t i = 0; i < count; ++i) {
      for (const nlohmann::json& name : item[0]) local.push_back(is_local(name, reader));
    }
  }
  return local;
}

void check(const Config& c, std::int64_t layers, const ConfigReader& reader) {
  if (c.layers() != layers) {
    reader.refuse(
        fmt::format("'attention_types' is for {} layers and there are {}", c.layers(), layers));
  }
  if (c.width % c.heads != 0) {
    reader.refuse(fmt::format("width {} does not divide into {} heads", c.width, c.heads));
  }
  if (!(c.eps > 0)) reader.refuse("'layer_norm_epsilon' must be positive");
}

}  // namespace

// Defaults: class GPTNeoConfig of transformers.
Config read_config(const nlohmann::json& json, const std::string& where) {
  const ConfigReader reader(json, where);
  Config c;
  c.width = reader.count("hidden_size", 2048);
  const std::int64_t layers = reader.count("num_layers", reader.count("num_hidden_layers", 24));
  c.heads = reader.count("num_heads", reader.count("num_attention_heads", 16));
  c.mlp = reader.count("intermediate_size", 4 * c.width);
  c.vocabulary = reader.count("vocab_size", 50257);
  c.positions = reader.count("max_position_embeddings", 2048);
  c.window = reader.count("window_size", 256);
  const nlohmann::json usual = nlohmann::json::parse(R"([[["global", "local"], 12]])");
  c.local = expand(reader.has("attention_types") ? json.at("attention_types") : usual, reader);
  c.eps = reader.number("layer_norm_epsilon", 1e-5);
  c.initializer_range = reader.number("initializer_range", 0.02);
  c.activation = read_activation(reader, "activation_function", "gelu_new");
  c.tied = reader.flag("tie_word_embeddings", true);
  check(c, layers, reader);
  c.special_ids = special_ids(json);
  return c;
}

nlohmann::json write_config(const Config& c) {
  nlohmann::json json = c.special_ids, layers = nlohmann::json::array();
  for (const bool local : c.local) layers.push_back(local ? "local" : "global");
  json["architectures"] = {"GPTNeoForCausalLM"};
  json["model_type"] = "gpt_neo";
  json["hidden_size"] = c.width;
  json["num_layers"] = c.layers();
  json["num_heads"] = c.heads;
  json["intermediate_size"] = c.mlp;
  json["vocab_size"] = c.vocabulary;
  json["max_position_embeddings"] = c.positions;
  json["window_size"] = c.window;
  json["attention_layers"] = layers;
  json["attention_types"] = nlohmann::json::array({nlohmann::json::array({layers, 1})});
  json["layer_norm_epsilon"] = c.eps;
  json["initializer_range"] = c.initializer_range;
  json["activation_function"] = c.activation.name;
  json["tie_word_embeddings"] = c.tied;
  for (const char* dropout : {"attention_dropout", "embed_dropout", "resid_dropout"}) {
    json[dropout] = 0.0;
  }
  return json;
}

nlohmann::json config_from_settings(const nlohmann::json& settings, const std::string& where) {
  const ConfigReader reader(settings, where);
  reader.allow_only({"family", "width", "layers", "vocabulary", "heads", "mlp", "positions",
                     "window", "local", "activation", "tied"});
  const std::int64_t width = reader.count("width"), layers = reader.count("layers");
  nlohmann::json kinds = nlohmann::json::array();
  for (std::int64_t i = 0; i < layers; ++i) {
    kinds.push_back(reader.flag("local", true) && i % 2 == 1 ? "local" : "global");
  }
  const nlohmann::json types = nlohmann::json::array({nlohmann::json::array({kinds, 1})});
  const nlohmann::json config = {{"hidden_size", width},
                                 {"num_layers", layers},
                                 {"attention_types", types},
                                 {"vocab_size", reader.count("vocabulary")},
                                 {"num_heads", reader.count("heads", default_heads(width))},
                                 {"intermediate_size", reader.count("mlp", 4 * width)},
                                 {"max_position_embeddings", reader.count("positions", 2048)},
                                 {"window_size", reader.count("window", 256)},
                                 {"activation_function", reader.text("activation", "gelu_new")},
                                 {"tie_word_embeddings", reader.flag("tied", true)}};
  return write_config(read_config(config, where));
}

}  // namespace peryton::gpt_neo
