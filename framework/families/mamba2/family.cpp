// SPDX-License-Identifier: Apache-2.0
#include "framework/families/family.h"

#include <cmath>
#include <string_view>

#include "framework/families/mamba2/component.h"
#include "framework/families/registry.h"
#include "framework/nn/initialise.h"

namespace peryton {
namespace {

// A ~ U(1, 16); the rest as fill_ssm_parameter says.
void fill_mamba2(const mamba2::Config& config, const Parameter& parameter, std::uint64_t seed) {
  const std::string_view name = parameter.name;
  if (name.ends_with("A_log")) {
    fill_random(parameter, seed,
                [](const Rng& rng, std::uint64_t i) { return std::log(1 + 15 * rng.uniform(i)); });
  } else if (name.ends_with("dt_bias")) {
    fill_time_steps(config, parameter, seed);
  } else {
    fill_ssm_parameter(config, parameter, seed);
  }
}

class Mamba2Family : public Family {
 public:
  std::string name() const override { return "mamba2"; }

  bool accepts(const nlohmann::json& config) const override {
    return mamba2::is_transformers_layout(config) || mamba2::is_mamba_ssm_layout(config);
  }

  std::unique_ptr<Component> make(const nlohmann::json& config, const std::string& where,
                                  DType dtype) const override {
    return std::make_unique<mamba2::Mamba2>(mamba2::read_config(config, where), dtype);
  }

  void initialise(Component& component, std::uint64_t seed) const override {
    const auto* model = dynamic_cast<const mamba2::Mamba2*>(&component);
    PERYTON_CHECK(model != nullptr, "not a Mamba-2 component");
    for (const ParameterPtr& parameter : model->parameters()) {
      fill_mamba2(model->settings(), *parameter, seed);
    }
  }

  nlohmann::json config_from_settings(const nlohmann::json& settings,
                                      const std::string& where) const override {
    return mamba2::config_from_settings(settings, where);
  }

  std::optional<std::string> canonical_name(const std::string& file_name) const override {
    return canonical_ssm_name(file_name);
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
