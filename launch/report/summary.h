// summary.json: the result of a run for programs (docs/run_folder.md).
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "framework/config/run_config.h"

namespace peryton {

struct StageSummary {
  std::string name, kind;
  std::string status;  // done, stopped, running, failed or waiting
  double seconds = 0;
  std::int64_t steps = 0, tokens = 0;
  double tokens_per_second = 0;
  std::optional<double> final_loss;  // nats per token
  std::int64_t peak_memory_bytes = 0;
  std::int64_t resumed_from = -1;  // step, -1: from the start
};

struct Estimate {
  double value = 0;
  std::optional<std::pair<double, double>> interval;  // 95 %
};

// One row of the evaluation table.
struct EvaluationSummary {
  std::string name;
  double loss = 0, perplexity = 0;
  Estimate bits_per_byte;
  std::int64_t tokens = 0, parameters = 0, trainable_parameters = 0, training_tokens = 0;
  double training_flops = 0, flops_per_token = 0;
  std::optional<double> alpha_distance_from_uniform;
  std::optional<Estimate> difference_to_hybrid;  // bits per byte, this row minus the first
};

struct CostSummary {
  std::int64_t tokens = 0;
  double flops = 0, core_seconds = 0, gpu_seconds = 0;
};

struct RunSummary {
  std::string name, status, version, git;
  std::int64_t data = 1, component = 1, tensor = 1;  // the world
  std::uint64_t seed = 0;
  std::vector<StageSummary> stages;           // in the order of the configuration
  std::vector<std::vector<double>> alpha;     // [segment][component]; empty without a hybrid
  std::vector<EvaluationSummary> evaluation;  // the first is the one that the verdict is about
  CostSummary cost;
};

// What the stage folders of `run_folder` hold now. Missing and unreadable files leave their figures
// out: a run may be half-way, or half deleted.
RunSummary summarise_run(const RunConfig& config, const std::filesystem::path& run_folder);

nlohmann::ordered_json to_json(const RunSummary& summary);
// Rows in the order of the object; figures that are missing are NaN or zero.
std::vector<EvaluationSummary> evaluation_from_json(const nlohmann::ordered_json& rows);

// Throws Error(kUserInput) for what is not a summary.
RunSummary run_summary_from_json(const nlohmann::ordered_json& json, const std::string& where);
RunSummary read_run_summary(const std::filesystem::path& file);

// The evaluation as a table for the console, one row per line.
std::string evaluation_table(const RunSummary& summary);

}  // namespace peryton
