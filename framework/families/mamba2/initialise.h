// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "framework/families/mamba2/component.h"

namespace peryton::mamba2 {

// The recipe of Mamba-2 for training from scratch. Each tensor's numbers depend on the seed and its
// name only.
void initialise(const Mamba2& model, std::uint64_t seed);

}  // namespace peryton::mamba2
