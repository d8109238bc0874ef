// A ~ U(1, 16); time steps log-uniform in [time_step_min, time_step_max]; D and norms 1; linear and
// convolution weights U(+-1/sqrt(fan in)), the projection into the residual stream scaled down by
// sqrt(layers); embeddings N(0, 0.02^2).
// SPDX-License-Identifier: Apache-2.0
#include "framework/families/mamba2/initialise.h"

#include <cmath>
#include <functional>
#include <string_view>

#include "framework/core/rng.h"

namespace peryton::mamba2 {
namespace {

std::uint64_t hash_of(std::string_view name) {  // FNV-1a
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return hash;
}

void fill(const Parameter& parameter, const std::function<double(std::uint64_t)>& value) {
  dispatch_float(parameter.value.dtype(), "initialise", [&](auto tag) {
    using T = typename decltype(tag)::type;
    std::uint64_t index = 0;
    for (T& element : parameter.value.values<T>()) {
      element = static_cast<T>(static_cast<compute_t<T>>(value(index++)));
    }
  });
}

// softplus of the result is a step drawn from the configured range.
double time_step_bias(const Config& config, double uniform) {
  const double low = std::log(config.start_min), high = std::log(config.start_max);
  const double step = std::max(std::exp(low + uniform * (high - low)), config.start_floor);
  return step + std::log(-std::expm1(-step));
}

void fill_one(const Config& config, const Parameter& parameter, std::uint64_t seed) {
  const std::string_view name = parameter.name;
  const Rng rng(seed, RandomPurpose::kInitialisation, hash_of(name));
  const Shape& shape = parameter.value.shape();
  const auto symmetric = [&](double bound) {
    fill(parameter, [&](std::uint64_t i) { return bound * (2 * rng.uniform(i) - 1); });
  };
  if (name.ends_with("embeddings.weight")) {
    fill(parameter, [&](std::uint64_t i) { return 0.02 * rng.normal(i); });
  } else if (name.ends_with("A_log")) {
    fill(parameter, [&](std::uint64_t i) { return std::log(1 + 15 * rng.uniform(i)); });
  } else if (name.ends_with("dt_bias")) {
    fill(parameter, [&](std::uint64_t i) { return time_step_bias(config, rng.uniform(i)); });
  } else if (name.ends_with("conv1d.weight") || name.ends_with("conv1d.bias")) {
    symmetric(1 / std::sqrt(static_cast<double>(config.conv)));
  } else if (name.ends_with("proj.bias")) {
    parameter.value.fill(0);
  } else if (shape.rank() == 1) {  // norms and D
    parameter.value.fill(1);
  } else {
    const double depth = name.ends_with("out_proj.weight") ? std::sqrt(double(config.layers)) : 1;
    symmetric(1 / std::sqrt(static_cast<double>(shape[-1])) / depth);
  }
}

}  // namespace

void initialise(const Mamba2& model, std::uint64_t seed) {
  for (const ParameterPtr& parameter : model.parameters()) {
    fill_one(model.settings(), *parameter, seed);
  }
}

}  // namespace peryton::mamba2
