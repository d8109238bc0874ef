// SPDX-License-Identifier: Apache-2.0
#include "framework/families/mmfree/config.h"

#include "framework/core/error.h"
#include "framework/families/common_settings.h"

namespace peryton::mmfree {
namespace {

// What no published model uses and this family does not compute.
void refuse_variants(const ConfigReader& reader) {
  if (reader.flag("use_short_conv", false)) {
    reader.refuse("'use_short_conv' is true: the short convolution is not known here");
  }
  for (const char* key : {"num_heads", "expand_ratio"}) {
    if (reader.number(key, 1) != 1) {
      reader.refuse(fmt::format("'{}' is not 1", key),
                    "the lower bounds are as wide as the model, so only 1 fits them");
    }
  }
  const std::string activation = reader.text("hidden_act", "swish");
  if (activation != "swish" && activation != "silu") {
    reader.refuse(fmt::format("activation '{}' is not known here", activation), "known: swish");
  }
}

MlgruGate read_gate(const ConfigReader& reader) {
  const std::string name = reader.text("output_gate", "mmfreelm");
  const auto gate = mlgru_gate_named(name);
  if (!gate) {
    reader.refuse(fmt::format("output gate '{}' is not known here", name),
                  "known: mmfreelm (published checkpoints), fla, paper");
  }
  return *gate;
}

bool read_rounding(const ConfigReader& reader) {
  const std::string name = reader.text("rounding", "even");
  if (name != "even" && name != "away") {
    reader.refuse(fmt::format("rounding '{}' is not known here", name), "known: even, away");
  }
  return name == "away";
}

}  // namespace

std::int64_t default_mlp(std::int64_t width, std::int64_t hidden_ratio) {
  const std::int64_t part = width * hidden_ratio * 2 / 3;
  return 256 * ((part + 255) / 256);
}

Config read_config(const nlohmann::json& json, const std::string& where) {
  const ConfigReader reader(json, where);
  refuse_variants(reader);
  Config c;
  c.width = reader.count("hidden_size", 2048);
  c.layers = reader.count("num_hidden_layers", 24);
  c.vocabulary = reader.count("vocab_size", 32000);
  c.mlp = reader.count("intermediate_size", default_mlp(c.width, reader.count("hidden_ratio", 4)));
  c.positions = reader.count("max_position_embeddings", 2048);
  c.eps = reader.number("rms_norm_eps", 1e-6);
  c.bit_eps = reader.number("bit_linear_eps", 1e-6);
  c.initializer_range = reader.number("initializer_range", 0.02);
  c.lower_bound = reader.flag("use_lower_bound", true);
  c.tied = reader.flag("tie_word_embeddings", false);
  c.ternary = reader.flag("ternary", true);
  c.gate = read_gate(reader);
  c.round_away = read_rounding(reader);
  if (!(c.eps > 0 && c.bit_eps > 0)) reader.refuse("a norm's epsilon must be positive");
  c.special_ids = special_ids(json);
  return c;
}

nlohmann::json write_config(const Config& c) {
  nlohmann::json json = c.special_ids;
  json["architectures"] = {"HGRNBitForCausalLM"};
  json["model_type"] = "hgrn_bit";
  json["attn_mode"] = "fused_recurrent";
  json["hidden_size"] = c.width;
  json["num_hidden_layers"] = c.layers;
  json["vocab_size"] = c.vocabulary;
  json["num_heads"] = 1;
  json["expand_ratio"] = 1;
  json["hidden_ratio"] = 4;
  json["intermediate_size"] = c.mlp;
  json["hidden_act"] = "swish";
  json["use_short_conv"] = false;
  json["conv_size"] = 4;
  json["share_conv_kernel"] = true;
  json["use_lower_bound"] = c.lower_bound;
  json["rms_norm_eps"] = c.eps;
  json["max_position_embeddings"] = c.positions;
  json["initializer_range"] = c.initializer_range;
  json["fuse_cross_entropy"] = true;
  json["tie_word_embeddings"] = c.tied;
  json["bit_linear_eps"] = c.bit_eps;
  json["output_gate"] = std::string(name_of(c.gate));
  json["rounding"] = c.round_away ? "away" : "even";
  json["ternary"] = c.ternary;
  return json;
}

nlohmann::json config_from_settings(const nlohmann::json& settings, const std::string& where) {
  const ConfigReader reader(settings, where);
  reader.allow_only({"family", "width", "layers", "vocabulary", "mlp", "positions", "output_gate",
                     "rounding", "lower_bound", "tied", "ternary"});
  const std::int64_t width = reader.count("width");
  const nlohmann::json config = {{"model_type", "hgrn_bit"},
                                 {"hidden_size", width},
                                 {"num_hidden_layers", reader.count("layers")},
                                 {"vocab_size", reader.count("vocabulary")},
                                 {"intermediate_size", reader.count("mlp", default_mlp(width, 4))},
                                 {"max_position_embeddings", reader.count("positions", 2048)},
                                 {"output_gate", reader.text("output_gate", "mmfreelm")},
                                 {"rounding", reader.text("rounding", "even")},
                                 {"use_lower_bound", reader.flag("lower_bound", true)},
                                 {"tie_word_embeddings", reader.flag("tied", false)},
                                 {"ternary", reader.flag("ternary", true)}};
  return write_config(read_config(config, where));
}

}  // namespace peryton::mmfree
