// SPDX-License-Identifier: Apache-2.0
#include "framework/families/family.h"

#include "framework/families/bitnet/component.h"
#include "framework/families/registry.h"
#include "framework/nn/initialise.h"

namespace peryton {
namespace {

class BitnetFamily : public Family {
 public:
  std::string name() const override { return "bitnet"; }

  bool accepts(const nlohmann::json& config) const override {
    return config.is_object() && config.value("model_type", nlohmann::json()) == "bitnet";
  }

  std::unique_ptr<Component> make(const nlohmann::json& config, const std::string& where,
                                  DType dtype) const override {
    return std::make_unique<bitnet::Bitnet>(bitnet::read_config(config, where), dtype);
  }

  // N(0, initializer_range^2) in every matrix; norms 1.
  void initialise(Component& component, std::uint64_t seed) const override {
    const auto* model = dynamic_cast<const bitnet::Bitnet*>(&component);
    PERYTON_CHECK(model != nullptr, "not a BitNet component");
    PERYTON_CHECK(!model->settings().packed(), "packed weights are read, not made");
    for (const ParameterPtr& parameter : model->parameters()) {
      if (parameter->value.rank() == 1) {
        parameter->value.fill(1);
      } else {
        fill_normal(*parameter, seed, model->settings().initializer_range);
      }
    }
  }

  nlohmann::json config_from_settings(const nlohmann::json& settings,
                                      const std::string& where) const override {
    return bitnet::config_from_settings(settings, where);
  }

  std::optional<std::string> canonical_name(const std::string& file_name) const override {
    if (file_name.ends_with("rotary_emb.inv_freq")) return std::nullopt;
    return file_name;
  }

  nlohmann::json tiny_config() const override { return tiny(true); }
  nlohmann::json smooth_config() const override { return tiny(false); }

 private:
  static nlohmann::json tiny(bool ternary) {
    return bitnet::config_from_settings({{"width", 24},
                                         {"layers", 2},
                                         {"vocabulary", 40},
                                         {"heads", 4},
                                         {"kv_heads", 2},
                                         {"mlp", 40},
                                         {"tied", false},
                                         {"ternary", ternary}},
                                        "tiny config");
  }
};

}  // namespace

void register_bitnet(FamilyRegistry& registry) { registry.add(std::make_unique<BitnetFamily>()); }

}  // namespace peryton
