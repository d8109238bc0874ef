// The contract between the pipeline (launch/), which decides what runs when and where, and the
// bodies of the stages, which run on every rank of a worker.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "framework/config/run_config.h"

namespace peryton {

class Communicator;

struct StageContext {
  const RunConfig& config;
  const StageConfig& stage;
  std::filesystem::path run_folder;
  std::filesystem::path
      stage_folder;  // exists; what an interrupted try left (checkpoints, metrics) is still there
  // Folders of finished stages, by name: everything in stage.needs. Their result.json holds their
  // StageResult.
  std::map<std::string, std::filesystem::path> inputs;
  Communicator& world;
  // Set by SIGTERM or SIGUSR1, on one rank or all: ranks agree, save at the next step boundary and
  // return kStopped.
  const std::atomic<bool>& stop;
  int threads = 1;           // of this rank's thread team
  bool is_terminal = false;  // rank 0 may draw a progress bar on standard error
};

// Collective: whether any rank was asked to stop. Stages without checkpoints ask between their
// parts and begin again the next time.
bool asked_to_stop(const StageContext& context);

enum class StageStatus { kDone, kStopped };

// Rank 0's counts; those of other ranks are ignored. For a resumed stage they are of the whole
// stage.
struct StageResult {
  StageStatus status = StageStatus::kDone;
  std::int64_t steps = 0;
  std::int64_t tokens = 0;  // training tokens, over all ranks
  double flops = 0.0;       // training floating-point operations, over all ranks
  double seconds = 0.0;     // of all tries together; 0: the worker's own clock is used
  double final_loss = 0.0;  // validation loss if there was one, else training loss
  double best_loss = 0.0;
  std::uint64_t peak_memory_bytes = 0;
  std::int64_t resumed_from = -1;  // step; -1: from the start
  // Files or folders, relative to the stage folder, whose bytes decide whether the stages that
  // follow must run again. Nothing in them may depend on time, place or thread count.
  std::vector<std::string> outputs = {};
  nlohmann::json extra =
      nlohmann::json::object();  // what the kind wants to hand on: evaluation rows, alpha, ...
};

nlohmann::json to_json(const StageResult& result);
StageResult stage_result_from_json(const nlohmann::json& json);
// Of a finished stage's folder.
StageResult read_stage_result(const std::filesystem::path& stage_folder);

using StageFunction = std::function<StageResult(StageContext&)>;

// What runs for each kind of stage. Tests put their own functions in.
class StageTable {
 public:
  void add(StageKind kind, StageFunction body);  // a second one for a kind is an internal error
  bool has(StageKind kind) const { return bodies_.count(kind) != 0; }
  StageResult run(StageContext& context) const;

 private:
  std::map<StageKind, StageFunction> bodies_;
};

// The table of this build (framework/train/stages.cpp).
StageTable all_stages();

}  // namespace peryton
