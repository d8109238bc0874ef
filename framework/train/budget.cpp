// SPDX-License-Identifier: Apache-2.0
#include "framework/train/budget.h"

#include <algorithm>
#include <cmath>

namespace peryton {

std::int64_t stage_steps(const StageContext& context, const LanguageModel& model) {
  const BudgetConfig& budget = context.stage.budget;
  const TrainConfig& settings = context.stage.settings;
  if (budget.steps > 0) return budget.steps;
  const auto per_step = static_cast<double>(settings.tokens_per_step());
  double steps = static_cast<double>(budget.tokens) / per_step;
  if (budget.match != MatchBy::kNothing) {
    double tokens = 0, flops = 0;
    for (const std::string& name : budget.of) {
      const StageResult spent = read_stage_result(context.inputs.at(name));
      tokens += static_cast<double>(spent.tokens);
      flops += spent.flops;
    }
    steps = budget.match == MatchBy::kTokens
                ? tokens / per_step
                : flops / (per_step * model.forward_flops_per_token(settings.sequence).training());
  }
  return std::max<std::int64_t>(1, std::llround(steps));
}

}  // namespace peryton
