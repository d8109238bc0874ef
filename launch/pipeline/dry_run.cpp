// SPDX-License-Identifier: Apache-2.0
#include "launch/pipeline/dry_run.h"

#include <fmt/format.h>

#include <algorithm>

#include "framework/config/enum_names.h"
#include "framework/config/names.h"
#include "framework/train/metrics/progress.h"
#include "launch/pipeline/decision.h"

namespace peryton {
namespace {

std::string model_text(const StageConfig& stage) {
  if (!stage.model.empty()) return stage.model;
  if (!stage.best_of.empty()) return "best of " + join_names(stage.best_of);
  return "-";
}

std::string budget_text(const RunConfig& config, const StageConfig& stage) {
  if (!stage.trains() && stage.kind != StageKind::kFitProjectors) return "-";
  if (stage.budget.match == MatchBy::kFlops) return "FLOPs of " + join_names(stage.budget.of);
  const std::int64_t tokens = planned_tokens(config, stage);
  const std::string text = tokens > 0 ? count_text(static_cast<double>(tokens)) + " tokens" : "?";
  return stage.budget.match == MatchBy::kTokens ? text + " (as " + join_names(stage.budget.of) + ")"
                                                : text;
}

std::string action_text(const Decision& decision) {
  switch (decision.action) {
    case Decision::Action::kSkip:
      return "skip: done";
    case Decision::Action::kResume:
      return "go on: " + decision.reason;
    case Decision::Action::kStart:
      return "run: " + decision.reason;
  }
  return "";
}

}  // namespace

std::int64_t planned_tokens(const RunConfig& config, const StageConfig& stage) {
  const BudgetConfig& budget = stage.budget;
  if (stage.kind == StageKind::kFitProjectors) return budget.tokens;
  if (!stage.trains() || budget.match == MatchBy::kFlops) return 0;
  std::int64_t tokens = budget.tokens;
  for (const std::string& name : budget.of) {
    const std::int64_t part = planned_tokens(config, config.stage(name));
    if (part == 0) return 0;
    tokens += part;
  }
  const std::int64_t steps = budget.steps > 0 ? budget.steps : stage.settings.steps_for(tokens);
  return steps * stage.settings.tokens_per_step();
}

std::string dry_run(const RunConfig& config, const Executor& executor, const Machine& machine,
                    const std::filesystem::path& program) {
  std::string out = fmt::format("run {} in {}\n", config.run.name, config.run.folder.string());
  out += fmt::format(
      "world: {} ranks (data {}, component {}, tensor {}), {} threads each, {} cores, by {}\n\n",
      config.parallel.world(), config.parallel.data, config.parallel.component,
      config.parallel.tensor, threads_per_rank(config.parallel, machine), machine.cores,
      executor.name());
  out += fmt::format("{:<22} {:<17} {:<10} {:<28} {}\n", "stage", "kind", "model", "budget",
                     "what happens");
  std::vector<std::string> not_done;
  std::string commands;
  for (const StageConfig& stage : config.stages) {
    const Decision decision = preview(config, stage, config.run.folder, not_done);
    const bool runs = decision.action != Decision::Action::kSkip;
    if (runs) not_done.push_back(stage.name);
    out += fmt::format("{:<22} {:<17} {:<10} {:<28} {}\n", stage.name, name_of(stage.kind),
                       model_text(stage), budget_text(config, stage), action_text(decision));
    const WorkerJob job{program, config.run.folder / "config.resolved.yaml", stage.name};
    if (runs) commands += "  " + executor.command(job).text() + "\n";
  }
  if (!commands.empty()) out += "\ncommands:\n" + commands;
  return out;
}

}  // namespace peryton
