// A ~ U(1, 16); time steps log-uniform in [time_step_min, time_step_max]; D and norms 1; linear and
// convolution weights U(+-1/sqrt(fan in)), the projection into the residual stream scaled down by
// sqrt(layers); embeddings N(0, 0.02^2).
// SPDX-License-Identifier: Apache-2.0
#include "framework/families/mamba2/initialise.h"

#include <cmath>
#include <string_view>

#include "framework/nn/initialise.h"

namespace peryton::mamba2 {
namespace {

void fill_one(const Config& config, const Parameter& parameter, std::uint64_t seed) {
  const std::string_view name = parameter.name;
  const Shape& shape = parameter.value.shape();
  if (name.ends_with("embeddings.weight")) {
    fill_normal(parameter, seed, 0.02);
  } else if (name.ends_with("A_log")) {
    fill_random(parameter, seed,
                [](const Rng& rng, std::uint64_t i) { return std::log(1 + 15 * rng.uniform(i)); });
  } else if (name.ends_with("dt_bias")) {
    fill_random(parameter, seed, [&](const Rng& rng, std::uint64_t i) {
      return time_step_bias(config.start_min, config.start_max, config.start_floor, rng.uniform(i));
    });
  } else if (name.ends_with("conv1d.weight") || name.ends_with("conv1d.bias")) {
    fill_uniform(parameter, seed, 1 / std::sqrt(static_cast<double>(config.conv)));
  } else if (name.ends_with("proj.bias")) {
    parameter.value.fill(0);
  } else if (shape.rank() == 1) {  // norms and D
    parameter.value.fill(1);
  } else {
    const double depth = name.ends_with("out_proj.weight") ? std::sqrt(double(config.layers)) : 1;
    fill_uniform(parameter, seed, 1 / std::sqrt(static_cast<double>(shape[-1])) / depth);
  }
}

}  // namespace

void initialise(const Mamba2& model, std::uint64_t seed) {
  for (const ParameterPtr& parameter : model.parameters()) {
    fill_one(model.settings(), *parameter, seed);
  }
}

}  // namespace peryton::mamba2
