// The bodies of the stages that do not train; the training ones are in train_stage.h. Each is
// collective.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "framework/comm/communicator.h"
#include "framework/train/stage.h"

namespace peryton {

StageResult run_data_stage(StageContext& context);
StageResult run_fit_projectors_stage(StageContext& context);
StageResult run_discretise_stage(StageContext& context);
StageResult run_evaluate_stage(StageContext& context);
StageResult run_generate_stage(StageContext& context);
StageResult run_export_stage(StageContext& context);

}  // namespace peryton
