// Fresh weights. A value is a function of the seed, the parameter's name and its index alone, so
// neither the order of parameters nor how they are split over ranks changes it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "framework/core/parameter.h"

namespace peryton {

// N(0, deviation^2) in every element.
void fill_normal(const Parameter& parameter, std::uint64_t seed, double deviation);

}  // namespace peryton
