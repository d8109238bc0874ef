// Body of the data stage: token files and the tokenizer. Rank 0 works, the others wait.
// SPDX-License-Identifier: Apache-2.0
#include "framework/data/prepare.h"
#include "framework/train/machine.h"
#include "framework/train/stage_bodies.h"

namespace peryton {

StageResult run_data_stage(StageContext& context) {
  StageResult result;
  if (context.world.rank() == 0) {
    DataSettings settings = context.config.data;
    settings.threads = context.threads;
    const PreparedData data = prepare_data(settings, context.stage_folder);
    result.extra["hash"] = data.hash;
    result.outputs = {"tokenizer.json"};
    for (const auto& train : data.train) result.outputs.push_back(train.path.filename().string());
    for (const auto& path : {data.validation, data.test}) {
      if (!path.empty()) result.outputs.push_back(path.filename().string());
    }
    result.peak_memory_bytes = static_cast<std::uint64_t>(peak_resident_bytes());
  }
  context.world.barrier();
  return result;
}

}  // namespace peryton
