// SPDX-License-Identifier: Apache-2.0
#include "framework/nn/initialise.h"

#include <algorithm>
#include <cmath>
#include <string_view>

namespace peryton {
namespace {

std::uint64_t stream_of(std::string_view name) {  // FNV-1a
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return hash;
}

}  // namespace

void fill_random(const Parameter& parameter, std::uint64_t seed,
                 const std::function<double(const Rng&, std::uint64_t)>& value) {
  const Rng rng(seed, RandomPurpose::kInitialisation, stream_of(parameter.name));
  dispatch_float(parameter.value.dtype(), "fill_random", [&](auto tag) {
    using T = typename decltype(tag)::type;
    std::uint64_t index = 0;
    for (T& element : parameter.value.values<T>()) {
      element = static_cast<T>(static_cast<compute_t<T>>(value(rng, index++)));
    }
  });
}

void fill_normal(const Parameter& parameter, std::uint64_t seed, double deviation) {
  fill_random(parameter, seed,
              [&](const Rng& rng, std::uint64_t i) { return deviation * rng.normal(i); });
}

void fill_uniform(const Parameter& parameter, std::uint64_t seed, double bound) {
  fill_random(parameter, seed,
              [&](const Rng& rng, std::uint64_t i) { return bound * (2 * rng.uniform(i) - 1); });
}

double time_step_bias(double low, double high, double floor, double uniform) {
  const double drawn = std::exp(std::log(low) + uniform * (std::log(high) - std::log(low)));
  const double step = std::max(drawn, floor);
  return step + std::log(-std::expm1(-step));
}

void initialise_decoder(const std::vector<ParameterPtr>& parameters, std::uint64_t seed,
                        double deviation, std::int64_t layers,
                        std::initializer_list<std::string_view> residual) {
  const double depth = std::sqrt(2 * static_cast<double>(layers));
  for (const ParameterPtr& parameter : parameters) {
    if (parameter->value.rank() == 1) {
      parameter->value.fill(parameter->name.ends_with("bias") ? 0 : 1);
      continue;
    }
    const bool writes_residual = std::ranges::any_of(
        residual, [&](std::string_view name) { return parameter->name.ends_with(name); });
    fill_normal(*parameter, seed, writes_residual ? deviation / depth : deviation);
  }
}

}  // namespace peryton
