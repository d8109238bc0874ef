// SPDX-License-Identifier: Apache-2.0
#include "framework/families/family.h"

#include "framework/families/gpt2/component.h"
#include "framework/families/registry.h"
#include "framework/nn/initialise.h"

namespace peryton {
namespace {

class Gpt2Family : public Family {
 public:
  std::string name() const override { return "gpt2"; }

  bool accepts(const nlohmann::json& config) const override {
    return config.is_object() && config.value("model_type", nlohmann::json()) == "gpt2";
  }

  std::unique_ptr<Component> make(const nlohmann::json& config, const std::string& where,
                                  DType dtype) const override {
    return std::make_unique<gpt2::Gpt2>(gpt2::read_config(config, where), dtype);
  }

  void initialise(Component& component, std::uint64_t seed) const override {
    const auto* model = dynamic_cast<const gpt2::Gpt2*>(&component);
    PERYTON_CHECK(model != nullptr, "not a GPT-2 component");
    const gpt2::Config& c = model->settings();
    initialise_decoder(model->parameters(), seed, c.initializer_range, c.layers, {"c_proj.weight"});
  }

  nlohmann::json config_from_settings(const nlohmann::json& settings,
                                      const std::string& where) const override {
    return gpt2::config_from_settings(settings, where);
  }

  // Files of the bare model, the first published ones among them, leave out "transformer."; old
  // ones carry masks.
  std::optional<std::string> canonical_name(const std::string& file_name) const override {
    if (file_name.ends_with(".attn.bias") || file_name.ends_with(".attn.masked_bias")) {
      return std::nullopt;
    }
    for (const char* bare : {"wte.", "wpe.", "h.", "ln_f."}) {
      if (file_name.starts_with(bare)) return "transformer." + file_name;
    }
    return file_name;
  }

  nlohmann::json tiny_config() const override {
    return gpt2::config_from_settings({{"width", 24},
                                       {"layers", 2},
                                       {"heads", 3},
                                       {"mlp", 40},
                                       {"vocabulary", 40},
                                       {"positions", 96}},
                                      "tiny config");
  }
};

}  // namespace

void register_gpt2(FamilyRegistry& registry) { registry.add(std::make_unique<Gpt2Family>()); }

}  // namespace peryton
