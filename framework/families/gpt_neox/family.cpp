// SPDX-License-Identifier: Apache-2.0
#include "framework/families/family.h"

#include <array>
#include <cmath>
#include <string_view>

#include "framework/families/gpt_neox/component.h"
#include "framework/families/registry.h"
#include "framework/nn/initialise.h"

namespace peryton {
namespace {

// Tables and masks that older files carry; we compute them.
bool is_buffer(std::string_view name) {
  static constexpr std::array<std::string_view, 5> kBuffers{
      ".attention.bias", ".attention.masked_bias", "rotary_emb.inv_freq", "rotary_emb.cos_cached",
      "rotary_emb.sin_cached"};
  for (const std::string_view buffer : kBuffers) {
    if (name.ends_with(buffer)) return true;
  }
  return false;
}

// The recipe of GPT-NeoX and Pythia: N(0, 2 / 5d) for everything (Nguyen and Salazar 2019), and
// N(0, (2 / (L sqrt d))^2) for what writes into the residual stream (Wang and Komatsuzaki 2021).
double deviation_of(const gpt_neox::Config& config, std::string_view name) {
  const double width = static_cast<double>(config.width);
  const bool writes_residual =
      name.ends_with("attention.dense.weight") || name.ends_with("mlp.dense_4h_to_h.weight");
  if (writes_residual) return 2 / (static_cast<double>(config.layers) * std::sqrt(width));
  return std::sqrt(2 / (5 * width));
}

class GptNeoxFamily : public Family {
 public:
  std::string name() const override { return "gpt_neox"; }

  bool accepts(const nlohmann::json& config) const override {
    return config.is_object() && config.value("model_type", nlohmann::json()) == "gpt_neox";
  }

  std::unique_ptr<Component> make(const nlohmann::json& config, const std::string& where,
                                  DType dtype) const override {
    return std::make_unique<gpt_neox::GptNeox>(gpt_neox::read_config(config, where), dtype);
  }

  void initialise(Component& component, std::uint64_t seed) const override {
    const auto* model = dynamic_cast<const gpt_neox::GptNeox*>(&component);
    PERYTON_CHECK(model != nullptr, "not a GPT-NeoX component");
    for (const ParameterPtr& parameter : model->parameters()) {
      if (parameter->value.rank() > 1) {
        fill_normal(*parameter, seed, deviation_of(model->settings(), parameter->name));
      } else {
        parameter->value.fill(parameter->name.ends_with("norm.weight") ? 1 : 0);
      }
    }
  }

  nlohmann::json config_from_settings(const nlohmann::json& settings,
                                      const std::string& where) const override {
    return gpt_neox::config_from_settings(settings, where);
  }

  // Folders of the bare model (no head) leave out "gpt_neox.".
  std::optional<std::string> canonical_name(const std::string& file_name) const override {
    if (is_buffer(file_name)) return std::nullopt;
    for (const char* bare : {"embed_in.", "layers.", "final_layer_norm."}) {
      if (file_name.starts_with(bare)) return "gpt_neox." + file_name;
    }
    return file_name;
  }

  nlohmann::json tiny_config() const override {
    return gpt_neox::config_from_settings({{"width", 24},
                                           {"layers", 2},
                                           {"heads", 3},
                                           {"mlp", 40},
                                           {"vocabulary", 40},
                                           {"rotary", 0.5}},
                                          "tiny config");
  }
};

}  // namespace

void register_gpt_neox(FamilyRegistry& registry) {
  registry.add(std::make_unique<GptNeoxFamily>());
}

}  // namespace peryton
