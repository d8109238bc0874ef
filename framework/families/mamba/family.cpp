// SPDX-License-Identifier: Apache-2.0
#include "framework/families/family.h"

#include <cmath>
#include <string_view>

#include "framework/families/mamba/component.h"
#include "framework/families/registry.h"
#include "framework/nn/initialise.h"

namespace peryton {
namespace {

// The recipe of mamba_ssm: A = -1 .. -N in every channel; the rest as fill_ssm_parameter says.
void fill_mamba(const mamba::Config& c, const Parameter& parameter, std::uint64_t seed) {
  const std::string_view name = parameter.name;
  if (name.ends_with("A_log")) {
    const auto states = static_cast<std::uint64_t>(c.state);
    fill_random(parameter, seed, [&](const Rng&, std::uint64_t i) {
      return std::log(static_cast<double>(i % states + 1));
    });
  } else if (name.ends_with("dt_proj.bias")) {
    fill_time_steps(c, parameter, seed);
  } else if (name.ends_with("dt_proj.weight")) {
    fill_uniform(parameter, seed, c.start_scale / std::sqrt(static_cast<double>(c.rank)));
  } else {
    fill_ssm_parameter(c, parameter, seed);
  }
}

class MambaFamily : public Family {
 public:
  std::string name() const override { return "mamba"; }

  bool accepts(const nlohmann::json& config) const override {
    return mamba::is_transformers_layout(config) || mamba::is_mamba_ssm_layout(config);
  }

  std::unique_ptr<Component> make(const nlohmann::json& config, const std::string& where,
                                  DType dtype) const override {
    return std::make_unique<mamba::Mamba>(mamba::read_config(config, where), dtype);
  }

  void initialise(Component& component, std::uint64_t seed) const override {
    const auto* model = dynamic_cast<const mamba::Mamba*>(&component);
    PERYTON_CHECK(model != nullptr, "not a Mamba component");
    for (const ParameterPtr& parameter : model->parameters()) {
      fill_mamba(model->settings(), *parameter, seed);
    }
  }

  nlohmann::json config_from_settings(const nlohmann::json& settings,
                                      const std::string& where) const override {
    return mamba::config_from_settings(settings, where);
  }

  std::optional<std::string> canonical_name(const std::string& file_name) const override {
    return canonical_ssm_name(file_name);
  }

  nlohmann::json tiny_config() const override {
    return mamba::config_from_settings({{"width", 16},
                                        {"layers", 2},
                                        {"vocabulary", 40},
                                        {"state", 5},
                                        {"rank", 3},
                                        {"tied", false}},
                                       "tiny config");
  }
};

}  // namespace

void register_mamba(FamilyRegistry& registry) { registry.add(std::make_unique<MambaFamily>()); }

}  // namespace peryton
