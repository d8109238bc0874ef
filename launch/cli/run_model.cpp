// SPDX-License-Identifier: Apache-2.0
#include "launch/cli/run_model.h"

#include "framework/core/error.h"

namespace peryton {

RunConfig open_run(const std::filesystem::path& place) {
  const std::filesystem::path folder = std::filesystem::absolute(place).lexically_normal();
  const std::filesystem::path file = folder / "config.resolved.yaml";
  if (!std::filesystem::exists(file)) {
    fail_input("this is not a run folder", folder.string(), "it has no config.resolved.yaml");
  }
  RunConfig config = read_run_config(file);
  config.run.folder = folder;
  return config;
}

std::string verdict_model(const RunConfig& config) {
  for (const StageConfig& stage : config.stages) {
    if (stage.kind == StageKind::kEvaluate) return stage.evaluate.rows.front().models.front();
  }
  std::string last;
  for (const StageConfig& stage : config.stages) {
    if (stage.makes_model()) last = stage.name;
  }
  if (last.empty()) fail_input("the run makes no model", config.run.folder.string());
  return last;
}

}  // namespace peryton
