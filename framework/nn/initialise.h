// Fresh weights. A value is a function of the seed, the parameter's name and its index alone, so
// neither the order of parameters nor how they are split over ranks changes it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string_view>
#include <vector>

#include "framework/core/parameter.h"
#include "framework/core/rng.h"

namespace peryton {

// Element i is value(rng, i).
void fill_random(const Parameter& parameter, std::uint64_t seed,
                 const std::function<double(const Rng&, std::uint64_t)>& value);

// N(0, deviation^2) in every element.
void fill_normal(const Parameter& parameter, std::uint64_t seed, double deviation);

// U(-bound, bound) in every element.
void fill_uniform(const Parameter& parameter, std::uint64_t seed, double bound);

// The number whose softplus is a time step drawn log-uniformly from [low, high], and at least
// `floor`; `uniform` is from [0, 1).
double time_step_bias(double low, double high, double floor, double uniform);

// Matrices N(0, deviation^2), and smaller by sqrt(2 layers) where the name ends with one of
// `residual`, which write into the residual stream (Radford et al. 2019); norms 1, biases 0.
void initialise_decoder(const std::vector<ParameterPtr>& parameters, std::uint64_t seed,
                        double deviation, std::int64_t layers,
                        std::initializer_list<std::string_view> residual);

}  // namespace peryton
