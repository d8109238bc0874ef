// What a training stage must remember to go on bit for bit, and its way in and out of checkpoints.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "framework/checkpoint/checkpoint.h"
#include "framework/optim/adamw.h"

namespace peryton {

// Counts beside the arena and the optimiser. All of them are the same on every rank.
struct TrainingProgress {
  std::int64_t step = 0;    // steps done
  std::int64_t tokens = 0;  // trained on, over all ranks
  double flops = 0;
  double seconds = 0;      // of all tries together
  double loss = 0;         // of the last step
  double validation = -1;  // last one; negative: none yet
  double best_validation = -1;
  std::int64_t best_step = -1;
  std::int64_t validations_without_gain = 0;
};

nlohmann::json to_json(const TrainingProgress& progress);
TrainingProgress training_progress_from_json(const nlohmann::json& json);

// Weights, both moments and the update counts; `world` and `isa` say what the bits depend on.
std::vector<NamedTensor> checkpoint_tensors(const TrainableArena& arena);
void restore(const Checkpoint& checkpoint, TrainableArena& arena, AdamW& optimiser,
             const kernels::Context& context);
// Only the weights, for choosing the best checkpoint at the end.
void restore_weights(const Checkpoint& checkpoint, TrainableArena& arena,
                     const kernels::Context& context);

}  // namespace peryton
