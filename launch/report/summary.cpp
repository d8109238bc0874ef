// SPDX-License-Identifier: Apache-2.0
#include "launch/report/summary.h"

#include <algorithm>
#include <thread>

#include "launch/report/run_files.h"
#include "launch/version.h"

namespace peryton {

namespace {

namespace fs = std::filesystem;

// A manifest is written last, so a folder that has one is done; state.json tells of any other.
std::string status_of(const fs::path& folder, const Json& manifest, const Json& result) {
  if (manifest.is_object()) return text_of(manifest, "status", "done");
  const std::string started = text_of(read_json_or_null(folder / "state.json"), "status");
  const std::string status = started.empty() ? text_of(result, "status") : started;
  if (!status.empty()) return status;
  return fs::exists(folder) ? "running" : "waiting";
}

StageSummary summarise_stage(const StageConfig& stage, const fs::path& folder) {
  const Json manifest = read_json_or_null(folder / "manifest.json");
  const Json result = read_json_or_null(folder / "result.json");
  StageSummary summary;
  summary.name = stage.name;
  summary.kind = stage_kind_name(stage.kind);
  summary.status = status_of(folder, manifest, result);
  summary.seconds = number_of(manifest, "seconds", number_of(result, "seconds"));
  summary.steps = static_cast<std::int64_t>(number_of(result, "steps"));
  summary.tokens = static_cast<std::int64_t>(number_of(result, "tokens"));
  if (summary.seconds > 0) {
    summary.tokens_per_second = static_cast<double>(summary.tokens) / summary.seconds;
  }
  if (stage.makes_model()) summary.final_loss = optional_number_of(result, "final_loss");
  summary.peak_memory_bytes = static_cast<std::int64_t>(number_of(result, "peak_memory_bytes"));
  summary.resumed_from = static_cast<std::int64_t>(number_of(result, "resumed_from", -1));
  return summary;
}

// Cores that a stage keeps busy: what its manifest says, else the configured threads of all ranks.
double cores_of(const RunConfig& config, const Json& manifest) {
  const double machine = std::max(1u, std::thread::hardware_concurrency());
  const auto& parallel = config.parallel;
  const double configured = parallel.threads > 0
                                ? static_cast<double>(parallel.threads * parallel.world())
                                : std::max(machine, static_cast<double>(parallel.world()));
  return number_of(manifest, "cores", configured);
}

// The rows of the evaluate stages, in the order of the configuration.
std::vector<EvaluationSummary> read_evaluation(const RunConfig& config,
                                               const fs::path& run_folder) {
  Json rows = Json::object();
  for (const StageConfig& stage : config.stages) {
    if (stage.kind != StageKind::kEvaluate) continue;
    const Json file =
        read_json_or_null(stage_folder_of(run_folder, stage.name) / "evaluation.json");
    if (!file.is_object()) continue;
    for (const EvaluationRow& row : stage.evaluate.rows) {
      if (file.contains(row.name)) rows[row.name] = file[row.name];
    }
    for (const auto& [name, row] : file.items()) {
      if (!rows.contains(name)) rows[name] = row;
    }
  }
  return evaluation_from_json(rows);
}

std::string status_of_run(const std::vector<StageSummary>& stages) {
  for (const StageSummary& stage : stages) {
    if (stage.status != "done") return stage.status;
  }
  return "done";
}

}  // namespace

RunSummary summarise_run(const RunConfig& config, const fs::path& run_folder) {
  RunSummary summary;
  summary.name = config.run.name;
  summary.version = version();
  summary.git = git_revision();
  summary.data = config.parallel.data;
  summary.component = config.parallel.component;
  summary.tensor = config.parallel.tensor;
  summary.seed = config.run.seed;
  for (const StageConfig& stage : config.stages) {
    const fs::path folder = stage_folder_of(run_folder, stage.name);
    const StageSummary& done = summary.stages.emplace_back(summarise_stage(stage, folder));
    summary.cost.tokens += done.tokens;
    summary.cost.flops += number_of(read_json_or_null(folder / "result.json"), "flops");
    summary.cost.core_seconds +=
        done.seconds * cores_of(config, read_json_or_null(folder / "manifest.json"));
  }
  summary.status = status_of_run(summary.stages);
  summary.alpha = final_alpha(config, run_folder);
  summary.evaluation = read_evaluation(config, run_folder);
  return summary;
}

}  // namespace peryton
