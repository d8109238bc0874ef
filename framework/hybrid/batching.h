// Rows of token ids to the tensors of a forward pass.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "framework/data/sampler.h"
#include "framework/hybrid/language_model.h"

namespace peryton {

// Targets whose loss mask is 0 become -1. `scale` and `step` of the request are left at their
// defaults.
LossRequest make_request(std::span<const TokenRow> rows);

// Targets that count.
std::int64_t target_count(std::span<const TokenRow> rows);

}  // namespace peryton
