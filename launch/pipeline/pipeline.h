// Runs the stages of a configuration in order, each one only if it has to.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "framework/config/run_config.h"
#include "launch/executors/executor.h"

namespace peryton {

struct PipelineOptions {
  std::filesystem::path program;  // the binary that workers are
  // Called after every stage and at the end, for the report; may be empty. Its errors are warnings.
  std::function<void(const RunConfig&, const std::filesystem::path& run_folder)> after_stage;
  std::function<void(const std::string&)> say;  // a line for the console; may be empty
};

// Exit codes of the whole program.
constexpr int kExitDone = 0, kExitFailed = 1, kExitUserInput = 2, kExitStopped = 85;

// Where a component's `from` is a GGUF file: makes a model folder of it in the run folder, unless
// it is there already, and lets `from` (and the tokenizer, if it was the file's) name that. `say`
// gets a line for each; may be empty. Without `may_write` (a dry run) a folder that is not there is
// the user's error.
void import_components(RunConfig& config, bool may_write,
                       const std::function<void(const std::string&)>& say = {});

// Locks the run folder, writes config.resolved.yaml, runs what has to run. Returns an exit code;
// what failed has been said. A folder in use, missing inputs and the like are Errors.
int run_pipeline(const RunConfig& config, Executor& executor, SignalGate& signals,
                 const PipelineOptions& options);

// Input files and folders that the configuration names and that are not there are the user's error.
void check_inputs(const RunConfig& config);

}  // namespace peryton
