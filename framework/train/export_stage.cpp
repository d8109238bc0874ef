// Body of export. Rank 0 works.
// SPDX-License-Identifier: Apache-2.0
#include "framework/train/export_model.h"
#include "framework/train/machine.h"
#include "framework/train/stage_bodies.h"

namespace peryton {

StageResult run_export_stage(StageContext& context) {
  StageResult result;
  const std::string to = context.stage.to.empty() ? "hf" : context.stage.to;
  result.outputs = {to};
  if (context.world.rank() == 0) {
    const FamilyRegistry registry = all_families();
    export_model(load_model(context.inputs.at(context.stage.after) / "model", registry),
                 context.stage_folder / to, context.stage.weights);
    result.peak_memory_bytes = static_cast<std::uint64_t>(peak_resident_bytes());
  }
  context.world.barrier();
  return result;
}

}  // namespace peryton
