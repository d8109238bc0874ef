// Norms of gradients in the arena: fixed blocks and fixed trees in double, so neither threads nor
// the layout of other groups change a bit.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "framework/optim/arena.h"

namespace peryton {

// Sum of squares of one slot's gradient.
double slot_square_sum(const TrainableArena& arena, int slot, const kernels::Context& context);

// Euclidean norm over a group's gradients, unscaled. Not finite: Error that names the group's first
// parameter (in order of execution) with an infinite or NaN gradient.
double group_gradient_norm(const TrainableArena& arena, const std::string& group,
                           const kernels::Context& context);

}  // namespace peryton
