// SPDX-License-Identifier: Apache-2.0
#include "framework/families/family.h"

#include <cmath>
#include <string_view>

#include "framework/families/mamba/component.h"
#include "framework/families/registry.h"
#include "framework/nn/initialise.h"

namespace peryton {
namespace {

// The recipe of mamba_ssm: A = -1 .. -N in every channel; time steps log-uniform in the configured
// range; D and norms 1; linear and convolution weights U(+-1/sqrt(fan in)), the projection into the
// residual stream smaller by sqrt(layers); embeddings N(0, 0.02^2).
void fill_one(const mamba::Config& c, const Parameter& parameter, std::uint64_t seed) {
  const std::string_view name = parameter.name;
  const Shape& shape = parameter.value.shape();
  const auto root = [](std::int64_t count) { return std::sqrt(static_cast<double>(count)); };
  if (name.ends_with("embeddings.weight")) {
    fill_normal(parameter, seed, 0.02);
  } else if (name.ends_with("A_log")) {
    const auto states = static_cast<std::uint64_t>(c.state);
    fill_random(parameter, seed, [&](const Rng&, std::uint64_t i) {
      return std::log(static_cast<double>(i % states + 1));
    });
  } else if (name.ends_with("dt_proj.bias")) {
    fill_random(parameter, seed, [&](const Rng& rng, std::uint64_t i) {
      return time_step_bias(c.start_min, c.start_max, c.start_floor, rng.uniform(i));
    });
  } else if (name.ends_with("dt_proj.weight")) {
    fill_uniform(parameter, seed, c.start_scale / root(c.rank));
  } else if (name.ends_with("conv1d.weight") || name.ends_with("conv1d.bias")) {
    fill_uniform(parameter, seed, 1 / root(c.conv));
  } else if (name.ends_with("proj.bias")) {
    parameter.value.fill(0);
  } else if (shape.rank() == 1) {  // norms and D
    parameter.value.fill(1);
  } else {
    const double depth = name.ends_with("out_proj.weight") ? root(c.layers) : 1;
    fill_uniform(parameter, seed, 1 / root(shape[-1]) / depth);
  }
}

class MambaFamily : public Family {
 public:
  std::string name() const override { return "mamba"; }

  bool accepts(const nlohmann::json& config) const override {
    return mamba::is_transformers_layout(config) || mamba::is_mamba_ssm_layout(config);
  }

  std::unique_ptr<Component> create(const nlohmann::json& config, const std::string& where,
                                    DType dtype) const override {
    return std::make_unique<mamba::Mamba>(mamba::read_config(config, where), dtype);
  }

  void initialise(Component& component, std::uint64_t seed) const override {
    const auto* model = dynamic_cast<const mamba::Mamba*>(&component);
    PERYTON_CHECK(model != nullptr, "not a Mamba component");
    for (const ParameterPtr& parameter : model->parameters()) {
      fill_one(model->settings(), *parameter, seed);
    }
  }

  nlohmann::json config_from_settings(const nlohmann::json& settings,
                                      const std::string& where) const override {
    return mamba::config_from_settings(settings, where);
  }

  // mamba_ssm says "embedding"; some published folders put "model." before every name.
  std::optional<std::string> canonical_name(const std::string& file_name) const override {
    std::string name = file_name;
    if (name.starts_with("model.")) name.erase(0, 6);
    if (name == "backbone.embedding.weight") return "backbone.embeddings.weight";
    return name;
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
