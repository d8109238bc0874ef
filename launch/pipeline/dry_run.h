// What a run would do.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

#include "framework/config/run_config.h"
#include "launch/executors/executor.h"

namespace peryton {

// Stages with what would happen to each and why, the world, parameters, estimates of time and
// memory, and the commands that would be started. Changes nothing.
std::string dry_run(const RunConfig& config, const Executor& executor, const Machine& machine,
                    const std::filesystem::path& program);

// Tokens that a stage will train on; 0 where that is known only when other stages are done, or for
// none.
std::int64_t planned_tokens(const RunConfig& config, const StageConfig& stage);

}  // namespace peryton
