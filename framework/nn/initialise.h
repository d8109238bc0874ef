// Fresh weights. A value is a function of the seed, the parameter's name and its index alone, so
// neither the order of parameters nor how they are split over ranks changes it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <vector>

#include "framework/core/parameter.h"

namespace peryton {

// N(0, deviation^2) in every element.
void fill_normal(const Parameter& parameter, std::uint64_t seed, double deviation);

// Uniform in (-bound, bound) in every element.
void fill_uniform(const Parameter& parameter, std::uint64_t seed, double bound);

// Matrices N(0, deviation^2), and smaller by sqrt(2 layers) where the name ends with one of
// `residual`, which write into the residual stream (Radford et al. 2019); norms 1, biases 0.
void initialise_decoder(const std::vector<ParameterPtr>& parameters, std::uint64_t seed,
                        double deviation, std::int64_t layers,
                        std::initializer_list<std::string_view> residual);

}  // namespace peryton
