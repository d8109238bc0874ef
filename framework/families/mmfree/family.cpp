// SPDX-License-Identifier: Apache-2.0
#include "framework/families/family.h"

#include <cmath>
#include <string_view>

#include "framework/families/mmfree/component.h"
#include "framework/families/registry.h"
#include "framework/nn/initialise.h"

namespace peryton {
namespace {

// The published recipe. The mixer's matrices: Xavier-uniform with gain 2^-2.5, so with variance
// gain^2 2 / (in + out). The others: N(0, initializer_range^2), the one that writes into the
// residual stream divided by sqrt(2 layers).
void fill_matrix(const mmfree::Config& config, const Parameter& parameter, std::uint64_t seed) {
  const std::string_view name = parameter.name;
  if (name.find(".attn.") != std::string_view::npos) {
    const Shape& shape = parameter.value.shape();
    const double gain = std::exp2(-2.5);
    fill_uniform(parameter, seed, gain * std::sqrt(6.0 / static_cast<double>(shape[0] + shape[1])));
    return;
  }
  const double depth = name.ends_with("down_proj.weight")
                           ? std::sqrt(2.0 * static_cast<double>(config.layers))
                           : 1.0;
  fill_normal(parameter, seed, config.initializer_range / depth);
}

class MmfreeFamily : public Family {
 public:
  std::string name() const override { return "mmfree"; }

  bool accepts(const nlohmann::json& config) const override {
    return config.is_object() && config.value("model_type", nlohmann::json()) == "hgrn_bit";
  }

  std::unique_ptr<Component> make(const nlohmann::json& config, const std::string& where,
                                  DType dtype) const override {
    return std::make_unique<mmfree::Mmfree>(mmfree::read_config(config, where), dtype);
  }

  void initialise(Component& component, std::uint64_t seed) const override {
    const auto* model = dynamic_cast<const mmfree::Mmfree*>(&component);
    PERYTON_CHECK(model != nullptr, "not a MatMul-free component");
    for (const ParameterPtr& parameter : model->parameters()) {
      if (parameter->name == "model.lower_bounds") {
        parameter->value.fill(0);
      } else if (parameter->value.rank() == 1) {
        parameter->value.fill(1);
      } else {
        fill_matrix(model->settings(), *parameter, seed);
      }
    }
  }

  nlohmann::json config_from_settings(const nlohmann::json& settings,
                                      const std::string& where) const override {
    return mmfree::config_from_settings(settings, where);
  }

  std::optional<std::string> canonical_name(const std::string& file_name) const override {
    return file_name;
  }

  nlohmann::json tiny_config() const override { return tiny(true); }
  nlohmann::json smooth_config() const override { return tiny(false); }

 private:
  static nlohmann::json tiny(bool ternary) {
    return mmfree::config_from_settings(
        {{"width", 24}, {"layers", 3}, {"vocabulary", 40}, {"mlp", 40}, {"ternary", ternary}},
        "tiny config");
  }
};

}  // namespace

void register_mmfree(FamilyRegistry& registry) { registry.add(std::make_unique<MmfreeFamily>()); }

}  // namespace peryton
