// SPDX-License-Identifier: Apache-2.0
#include "framework/families/family.h"

#include "framework/families/mamba2/component.h"
#include "framework/families/mamba2/config.h"
#include "framework/families/mamba2/initialise.h"
#include "framework/families/registry.h"

namespace peryton {
namespace {

class Mamba2Family : public Family {
 public:
  std::string name() const override { return "mamba2"; }

  bool accepts(const nlohmann::json& config) const override {
    return mamba2::is_transformers_layout(config) || mamba2::is_mamba_ssm_layout(config);
  }

  std::unique_ptr<Component> create(const nlohmann::json& config, const std::string& where,
                                    DType dtype) const override {
    return std::make_unique<mamba2::Mamba2>(mamba2::read_config(config, where), dtype);
  }

  void initialise(Component& component, std::uint64_t seed) const override {
    const auto* model = dynamic_cast<const mamba2::Mamba2*>(&component);
    PERYTON_CHECK(model != nullptr, "not a Mamba-2 component");
    mamba2::initialise(*model, seed);
  }

  nlohmann::json config_from_settings(const nlohmann::json& settings,
                                      const std::string& where) const override {
    return mamba2::config_from_settings(settings, where);
  }

  // mamba_ssm says "embedding"; some published folders put "model." before every name.
  std::optional<std::string> canonical_name(const std::string& file_name) const override {
    std::string name = file_name;
    if (name.starts_with("model.")) name.erase(0, 6);
    if (name == "backbone.embedding.weight") return "backbone.embeddings.weight";
    return name;
  }

  nlohmann::json tiny_config() const override {
    return mamba2::config_from_settings({{"width", 16},
                                         {"layers", 2},
                                         {"vocabulary", 40},
                                         {"state", 8},
                                         {"head_dim", 8},
                                         {"groups", 2},
                                         {"chunk", 8},
                                         {"tied", false}},
                                        "tiny config");
  }
};

}  // namespace

void register_mamba2(FamilyRegistry& registry) { registry.add(std::make_unique<Mamba2Family>()); }

}  // namespace peryton
