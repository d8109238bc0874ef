// How a stage trains: the keys of the top-level `train:` section, each of which a stage may
// override. Every stage carries its own complete copy, so nobody has to look things up in two
// places.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "framework/config/amount.h"

namespace peryton {

// bf16: weights are stored in bfloat16 (what trains keeps its fp32 values beside them); sums are
// fp32, and so is what is multiplied with them unless bf16 dot products were measured to be faster.
// auto: the faster of both (train/precision.h).
enum class Precision { kFp32, kBf16, kAuto };
// wsd: warm up, stay, and come down linearly over the last `decay` part.
enum class SchedulePolicy { kConstant, kCosine, kLinear, kWsd };

// Optimiser settings of one group of parameters; what is not given is that of the stage.
struct GroupConfig {
  std::optional<double> lr;
  std::optional<double> weight_decay;
  std::optional<double> clip;  // limit of the group's own gradient norm; without it the stage's
  bool operator==(const GroupConfig&) const = default;
};

struct ValidationConfig {
  Interval every{0, 0.1};
  std::int64_t tokens = 100'000;  // of the validation text; all of it when it is shorter
  bool operator==(const ValidationConfig&) const = default;
};

struct CheckpointConfig {
  Interval every{0, 0.1};
  std::int64_t keep_last = 2;
  std::int64_t keep_best = 1;  // by validation loss
  bool operator==(const CheckpointConfig&) const = default;
};

struct EarlyStoppingConfig {
  std::int64_t patience = 0;  // validations without an improvement; 0: off
  double minimum_gain = 0.0;  // an improvement is more than this, in nats
  bool operator==(const EarlyStoppingConfig&) const = default;
};

struct TrainConfig {
  std::int64_t sequence = 512;     // tokens per row
  std::int64_t global_batch = 16;  // rows per optimiser step, over all ranks
  std::int64_t micro_batch =
      0;  // rows per forward on one rank; 0 is replaced by the reader (see below)
  Precision precision = Precision::kFp32;
  double lr = 1e-3;
  SchedulePolicy schedule = SchedulePolicy::kCosine;
  Interval warmup{0, 0.05};
  Interval decay{0, 0.2};  // wsd only: the cool-down
  double lr_end = 0.1;     // the last learning rate, as a part of lr
  double weight_decay = 0.01;
  double clip = 1.0;  // limit of each group's gradient norm; 0: none
  double beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8;
  std::map<std::string, GroupConfig> groups;  // by group name (kTrainGroups)
  ValidationConfig validation;
  CheckpointConfig checkpoint;
  EarlyStoppingConfig early_stopping;
  std::int64_t log_every = 1;  // steps between lines of metrics.jsonl
  bool recompute = false;      // keep only the segments' inputs and run them again in backward

  std::int64_t tokens_per_step() const { return sequence * global_batch; }
  // The whole number of steps nearest to that many tokens, at least 1.
  std::int64_t steps_for(std::int64_t tokens) const {
    const std::int64_t steps = (tokens + tokens_per_step() / 2) / tokens_per_step();
    return steps > 1 ? steps : 1;
  }
  bool operator==(const TrainConfig&) const = default;
};

// The groups of parameters that can be trained or frozen.
const std::vector<std::string>&
train_groups();  // alpha, projectors, embeddings, components, norms, heads

}  // namespace peryton
