// SPDX-License-Identifier: Apache-2.0
#include "launch/report/verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "launch/report/format.h"

namespace peryton {

namespace {

// How much the first row's claim to be the best suffers from an outcome.
int severity(Outcome outcome) {
  switch (outcome) {
    case Outcome::kWorse:
      return 3;
    case Outcome::kTie:
      return 2;
    case Outcome::kUnknown:
      return 1;
    case Outcome::kBetter:
      break;
  }
  return 0;
}

// The row that decides the headline: the strongest of those that speak most against the first row.
const EvaluationSummary& rival_of(const std::vector<EvaluationSummary>& rows) {
  return *std::min_element(rows.begin() + 1, rows.end(), [](const auto& a, const auto& b) {
    const int left = severity(outcome_against(a)), right = severity(outcome_against(b));
    return left != right ? left > right : a.bits_per_byte.value < b.bits_per_byte.value;
  });
}

std::string headline_of(const EvaluationSummary& first, const EvaluationSummary& rival) {
  const std::string figures =
      fmt::format("{} bits per byte against {}", fixed_text(first.bits_per_byte.value, 3),
                  fixed_text(rival.bits_per_byte.value, 3));
  switch (outcome_against(rival)) {
    case Outcome::kBetter:
      return fmt::format("“{}” is better than every other row: {} for “{}”, the next best.",
                         first.name, figures, rival.name);
    case Outcome::kWorse:
      return fmt::format("“{}” is not the best: {} for “{}”.", first.name, figures, rival.name);
    case Outcome::kTie:
      return fmt::format("A tie: “{}” and “{}” cannot be told apart, {}.", first.name, rival.name,
                         figures);
    case Outcome::kUnknown:
      break;
  }
  return fmt::format("Undecided: “{}” reaches {} for “{}”, and their difference has no interval.",
                     first.name, figures, rival.name);
}

Estimate negated(Estimate estimate) {
  estimate.value = -estimate.value;
  if (estimate.interval)
    estimate.interval = {-estimate.interval->second, -estimate.interval->first};
  return estimate;
}

std::string comparison_of(const EvaluationSummary& row) {
  if (!row.difference_to_hybrid)
    return fmt::format("Against “{}”: no paired comparison.", row.name);
  const Estimate& gain = *row.difference_to_hybrid;
  switch (outcome_against(row)) {
    case Outcome::kBetter:
      return fmt::format("Better than “{}” by {} bits per byte.", row.name, estimate_text(gain));
    case Outcome::kTie:
      return fmt::format("A tie with “{}”: the gain of {} bits per byte includes zero.", row.name,
                         estimate_text(gain));
    case Outcome::kWorse:
      return fmt::format("Worse than “{}” by {} bits per byte.", row.name,
                         estimate_text(negated(gain)));
    case Outcome::kUnknown:
      break;
  }
  return fmt::format("Against “{}”: a gain of {} bits per byte, without an interval.", row.name,
                     estimate_text(gain));
}

std::string pretraining_caveat(const RunConfig& config) {
  const auto built_here = std::count_if(config.components.begin(), config.components.end(),
                                        [](const ComponentConfig& c) { return !c.pretrained(); });
  const auto total = static_cast<std::ptrdiff_t>(config.components.size());
  if (built_here == total) {
    return "The components were pretrained on the corpus that the hybrid is tuned and tested on: "
           "the "
           "easy case, and no evidence of transfer.";
  }
  if (built_here == 0) {
    return "The components came pretrained; whether what they were trained on overlaps with the "
           "test "
           "text is not known here.";
  }
  return "Some components were pretrained on this very corpus and others came from elsewhere, so "
         "the "
         "rows did not see the same text.";
}

std::string split_caveat(const RunConfig& config) {
  for (const StageConfig& stage : config.stages) {
    if (stage.kind != StageKind::kEvaluate || stage.evaluate.split == "test") continue;
    return fmt::format(
        "The table is of {} text, which is not test text: what was selected on it looks "
        "better than it is.",
        stage.evaluate.split);
  }
  return "Checkpoints and α were selected on validation text; the table is of test text, used "
         "once.";
}

std::vector<std::string> caveats_of(const RunConfig& config) {
  return {
      fmt::format("This is one seed ({}): the intervals are over documents and say nothing about "
                  "other seeds.",
                  config.run.seed),
      pretraining_caveat(config), split_caveat(config)};
}

}  // namespace

Outcome outcome_against(const EvaluationSummary& row) {
  if (!row.difference_to_hybrid || !row.difference_to_hybrid->interval) return Outcome::kUnknown;
  const auto [low, high] = *row.difference_to_hybrid->interval;
  if (!std::isfinite(low) || !std::isfinite(high)) return Outcome::kUnknown;
  if (low > 0) return Outcome::kBetter;
  return high < 0 ? Outcome::kWorse : Outcome::kTie;
}

Verdict verdict_of(const RunConfig& config, const RunSummary& summary) {
  Verdict verdict;
  const auto& rows = summary.evaluation;
  if (rows.empty()) {
    verdict.headline = summary.status == "done"
                           ? "This run evaluated nothing, so there is no verdict."
                           : "Not evaluated yet.";
    return verdict;
  }
  verdict.caveats = caveats_of(config);
  if (rows.size() == 1) {
    verdict.headline =
        fmt::format("“{}” reaches {} bits per byte; nothing was evaluated beside it.", rows[0].name,
                    estimate_text(rows[0].bits_per_byte));
    return verdict;
  }
  const EvaluationSummary& rival = rival_of(rows);
  verdict.outcome = outcome_against(rival);
  verdict.headline = headline_of(rows[0], rival);
  for (auto row = rows.begin() + 1; row != rows.end(); ++row) {
    verdict.comparisons.push_back(comparison_of(*row));
  }
  return verdict;
}

}  // namespace peryton
