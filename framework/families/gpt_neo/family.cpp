// SPDX-License-Identifier: Apache-2.0
#include "framework/families/family.h"

#include "framework/families/gpt_neo/component.h"
#include "framework/families/registry.h"
#include "framework/nn/initialise.h"

namespace peryton {
namespace {

class GptNeoFamily : public Family {
 public:
  std::string name() const override { return "gpt_neo"; }

  bool accepts(const nlohmann::json& config) const override {
    return config.is_object() && config.value("model_type", nlohmann::json()) == "gpt_neo";
  }

  std::unique_ptr<Component> make(const nlohmann::json& config, const std::string& where,
                                  DType dtype) const override {
    return std::make_unique<gpt_neo::GptNeo>(gpt_neo::read_config(config, where), dtype);
  }

  void initialise(Component& component, std::uint64_t seed) const override {
    const auto* model = dynamic_cast<const gpt_neo::GptNeo*>(&component);
    PERYTON_CHECK(model != nullptr, "not a GPT-Neo component");
    const gpt_neo::Config& c = model->settings();
    initialise_decoder(model->parameters(), seed, c.initializer_range, c.layers(),
                       {"out_proj.weight", "c_proj.weight"});
  }

  nlohmann::json config_from_settings(const nlohmann::json& settings,
                                      const std::string& where) const override {
    return gpt_neo::config_from_settings(settings, where);
  }

  // Files of the bare model leave out "transformer."; old ones carry masks.
  std::optional<std::string> canonical_name(const std::string& file_name) const override {
    if (file_name.ends_with(".attention.bias") || file_name.ends_with(".attention.masked_bias")) {
      return std::nullopt;
    }
    for (const char* bare : {"wte.", "wpe.", "h.", "ln_f."}) {
      if (file_name.starts_with(bare)) return "transformer." + file_name;
    }
    return file_name;
  }

  nlohmann::json tiny_config() const override {
    return gpt_neo::config_from_settings({{"width", 24},
                                          {"layers", 2},
                                          {"heads", 3},
                                          {"mlp", 40},
                                          {"vocabulary", 40},
                                          {"positions", 96},
                                          {"window", 5}},
                                         "tiny config");
  }
};

}  // namespace

void register_gpt_neo(FamilyRegistry& registry) { registry.add(std::make_unique<GptNeoFamily>()); }

}  // namespace peryton
