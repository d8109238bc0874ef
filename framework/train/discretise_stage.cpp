// Body of discretise: alpha rounded to its largest entry in each segment.
// SPDX-License-Identifier: Apache-2.0
#include "framework/train/machine.h"
#include "framework/train/model_store.h"
#include "framework/train/stage_bodies.h"

namespace peryton {

StageResult run_discretise_stage(StageContext& context) {
  const FamilyRegistry registry = all_families();
  StoredModel stored = load_model(context.inputs.at(context.stage.after) / "model", registry,
                                  {.pack_but = std::vector<std::string>{}});
  if (stored.hybrid == nullptr) {
    fail_input(fmt::format("stage {} has no alpha to round", context.stage.after),
               context.stage.where, "discretise comes after a stage that makes a hybrid");
  }
  stored.hybrid->set_alpha(ArchitectureWeights(
      AlphaParameterisation::kFixed, rounded_alpha(stored.hybrid->alpha()), DType::kFloat32));
  StageResult result;
  result.extra["alpha"] = stored.hybrid->alpha();
  result.extra["parameters"] = parameter_count(*stored.model);
  result.peak_memory_bytes = static_cast<std::uint64_t>(peak_resident_bytes());
  result.outputs = {"model"};
  if (context.world.rank() == 0) save_model(stored, context.stage_folder / "model");
  context.world.barrier();
  return result;
}

}  // namespace peryton
