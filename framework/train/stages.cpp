// The bodies of the stages, by kind: one line each.
// SPDX-License-Identifier: Apache-2.0
#include "framework/train/stage.h"
#include "framework/train/stage_bodies.h"
#include "framework/train/train_stage.h"

namespace peryton {

StageTable all_stages() {
  StageTable table;
  table.add(StageKind::kData, run_data_stage);
  table.add(StageKind::kPretrain, run_train_stage);
  table.add(StageKind::kFitProjectors, run_fit_projectors_stage);
  table.add(StageKind::kTrainProjectors, run_train_stage);
  table.add(StageKind::kSearch, run_train_stage);
  table.add(StageKind::kDiscretise, run_discretise_stage);
  table.add(StageKind::kFinetune, run_train_stage);
  table.add(StageKind::kEvaluate, run_evaluate_stage);
  table.add(StageKind::kGenerate, run_generate_stage);
  table.add(StageKind::kExport, run_export_stage);
  return table;
}

}  // namespace peryton
