// SPDX-License-Identifier: Apache-2.0
#include "launch/pipeline/dry_run.h"

#include <fmt/format.h>

#include <algorithm>

#include "framework/config/enum_names.h"
#include "framework/train/metrics/progress.h"
#include "launch/pipeline/decision.h"
#include "launch/pipeline/estimate.h"

namespace peryton {
namespace {

std::string model_text(const StageConfig& stage) {
  if (!stage.model.empty()) return stage.model;
  if (!stage.best_of.empty()) return fmt::format("best of {}", stage.best_of.size());
  return "-";
}

std::string budget_text(const RunConfig& config, const StageConfig& stage) {
  if (!stage.trains() && stage.kind != StageKind::kFitProjectors) return "-";
  if (stage.budget.match == MatchBy::kFlops)
    return fmt::format("FLOPs of {} stages", stage.budget.of.size());
  const std::int64_t tokens = planned_tokens(config, stage);
  const std::string text = tokens > 0 ? count_text(static_cast<double>(tokens)) + " tokens" : "?";
  return stage.budget.match == MatchBy::kTokens
             ? fmt::format("{} (as {} stages)", text, stage.budget.of.size())
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

namespace {

std::string bytes_text(std::int64_t bytes) {
  return fmt::format("{:.0f} MiB", static_cast<double>(bytes) / (1 << 20));
}

std::string estimate_text(const std::optional<StageEstimate>& estimate, double seconds) {
  if (!estimate) return fmt::format("{:>9} {:>9} {:>9} {:>9}", "-", "-", "-", "-");
  const auto count = [](std::int64_t value) {
    return value > 0 ? count_text(static_cast<double>(value)) : std::string("-");
  };
  return fmt::format("{:>9} {:>9} {:>9} {:>9}", count(estimate->trainable),
                     count(estimate->parameters - estimate->trainable),
                     estimate->flops > 0 ? clock_text(seconds) : "-",
                     estimate->memory > 0 ? bytes_text(estimate->memory) : "-");
}

}  // namespace

std::string dry_run(const RunConfig& config, const Executor& executor, const Machine& machine,
                    const std::filesystem::path& program) {
  std::string out = fmt::format("run {} in {}\n", config.run.name, config.run.folder.string());
  out += fmt::format(
      "world: {} ranks (data {}, component {}, tensor {}), {} threads each, {} cores, by {}\n\n",
      config.parallel.world(), config.parallel.data, config.parallel.component,
      config.parallel.tensor, threads_per_rank(config.parallel, machine), machine.cores,
      executor.name());
  out += fmt::format("{:<18} {:<16} {:<8} {:>9} {:>9} {:>9} {:>9}  {:<28} {}\n", "stage", "kind",
                     "model", "trainable", "frozen", "time", "memory", "budget", "what happens");
  const FamilyRegistry families = all_families();
  std::vector<std::string> not_done;
  std::string commands;
  double total = 0;
  for (const StageConfig& stage : config.stages) {
    const Decision decision = preview(config, stage, config.run.folder, not_done);
    const bool runs = decision.action != Decision::Action::kSkip;
    const auto estimate = estimate_stage(config, stage, families);
    const double seconds = estimate ? seconds_for(estimate->flops, config, machine) : 0.0;
    if (runs) {
      not_done.push_back(stage.name);
      total += seconds;
      const WorkerJob job{program, config.run.folder / "config.resolved.yaml", stage.name};
      commands += "  " + executor.command(job).text() + "\n";
    }
    out += fmt::format("{:<18} {:<16} {:<8} {}  {:<28} {}\n", stage.name, name_of(stage.kind),
                       model_text(stage), estimate_text(estimate, seconds),
                       budget_text(config, stage), action_text(decision));
  }
  if (commands.empty()) return out + "\nnothing to do\n";
  out += fmt::format("\nabout {} of training; time and memory (of one rank) are estimates\n",
                     clock_text(total));
  return out + "\ncommands:\n" + commands;
}

}  // namespace peryton
