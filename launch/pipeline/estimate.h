// What a stage will cost, from its model's shapes alone: no weight is read.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "framework/config/run_config.h"
#include "framework/families/registry.h"
#include "launch/executors/executor.h"

namespace peryton {

struct StageEstimate {
  std::int64_t parameters = 0, trainable = 0;
  double flops = 0;         // of the whole stage over all ranks; 0: not known before it runs
  std::int64_t memory = 0;  // bytes of one rank at its peak
};

// nullopt for stages without a model of their own, and where a component's files are not there to
// ask.
std::optional<StageEstimate> estimate_stage(const RunConfig& config, const StageConfig& stage,
                                            const FamilyRegistry& families);

// Seconds that so many operations take on all ranks together; measures this machine for a moment.
double seconds_for(double flops, const RunConfig& config, const Machine& machine);

}  // namespace peryton
