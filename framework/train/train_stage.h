// Body of the stages that train: pretrain, train_projectors, search, finetune.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "framework/train/stage.h"

namespace peryton {

StageResult run_train_stage(StageContext& context);

// Called inside saves when PERYTON_FAULT is set by a fault trial; empty otherwise. "NAME" or
// "NAME:COUNT" kills the process with SIGKILL when the point NAME is reached (for the COUNT-th
// time).
std::function<void(std::string_view)> fault_point_from_environment();

}  // namespace peryton
