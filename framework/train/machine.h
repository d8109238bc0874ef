// What this machine can do and has used, measured.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "kernels/common/context.h"

namespace peryton {

// Float32 multiply-adds x 2 per second of one rank's team: the best of a few matrix products,
// measured on the first call of a thread and kept for it.
double peak_flops_per_second(const kernels::Context& context);

// Largest resident memory of this process so far.
std::int64_t peak_resident_bytes();

}  // namespace peryton
