// SPDX-License-Identifier: Apache-2.0
#include "framework/families/family.h"

#include "framework/families/llama/component.h"
#include "framework/families/registry.h"
#include "framework/nn/initialise.h"

namespace peryton {
namespace {

class LlamaFamily : public Family {
 public:
  std::string name() const override { return "llama"; }

  bool accepts(const nlohmann::json& config) const override {
    if (!config.is_object()) return false;
    const auto type = config.value("model_type", nlohmann::json());
    return type == "llama" || type == "mistral";
  }

  std::unique_ptr<Component> make(const nlohmann::json& config, const std::string& where,
                                  DType dtype) const override {
    return std::make_unique<llama::Llama>(llama::read_config(config, where), dtype);
  }

  void initialise(Component& component, std::uint64_t seed) const override {
    const auto* model = dynamic_cast<const llama::Llama*>(&component);
    PERYTON_CHECK(model != nullptr, "not a Llama component");
    const llama::Config& c = model->settings();
    initialise_decoder(model->parameters(), seed, c.initializer_range, c.layers,
                       {"o_proj.weight", "down_proj.weight"});
  }

  nlohmann::json config_from_settings(const nlohmann::json& settings,
                                      const std::string& where) const override {
    return llama::config_from_settings(settings, where);
  }

  // Folders of the bare model (no head) leave out "model."; old files carry rotary tables.
  std::optional<std::string> canonical_name(const std::string& file_name) const override {
    if (file_name.ends_with("rotary_emb.inv_freq")) return std::nullopt;
    for (const char* bare : {"embed_tokens.", "layers.", "norm."}) {
      if (file_name.starts_with(bare)) return "model." + file_name;
    }
    return file_name;
  }

  nlohmann::json tiny_config() const override {
    return llama::config_from_settings({{"width", 24},
                                        {"layers", 2},
                                        {"heads", 4},
                                        {"kv_heads", 2},
                                        {"head_width", 8},
                                        {"mlp", 40},
                                        {"vocabulary", 40}},
                                       "tiny config");
  }
};

}  // namespace

void register_llama(FamilyRegistry& registry) { registry.add(std::make_unique<LlamaFamily>()); }

}  // namespace peryton
