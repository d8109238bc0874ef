// From the configuration of a stage to the optimiser's settings per group.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include "framework/config/stage_config.h"
#include "framework/optim/adamw.h"

namespace peryton {

// For every group that trains. alpha has its own learning rate, no decay, and exponentiated
// gradient for the simplex; its schedule is constant unless the group says otherwise, so that it
// does not fade with the weights'.
std::map<std::string, GroupSettings> optimiser_settings(const StageConfig& stage,
                                                        std::int64_t total_steps);

}  // namespace peryton
