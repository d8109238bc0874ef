// The bodies of the stages, by kind: one line each.
// SPDX-License-Identifier: Apache-2.0
#include "framework/train/stage.h"
#include "framework/train/train_stage.h"

namespace peryton {

StageTable all_stages() {
  StageTable table;
  table.add(StageKind::kPretrain, run_train_stage);
  table.add(StageKind::kTrainProjectors, run_train_stage);
  table.add(StageKind::kSearch, run_train_stage);
  table.add(StageKind::kFinetune, run_train_stage);
  return table;
}

}  // namespace peryton
