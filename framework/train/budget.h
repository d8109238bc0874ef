// How many steps a stage trains.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "framework/hybrid/language_model.h"
#include "framework/train/stage.h"

namespace peryton {

// From steps, tokens, or what the stages of `match` spent; at least 1. The model's groups must be
// frozen as the stage wants them (matching FLOPs depends on it).
std::int64_t stage_steps(const StageContext& context, const LanguageModel& model);

}  // namespace peryton
