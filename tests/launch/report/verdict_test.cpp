// SPDX-License-Identifier: Apache-2.0
#include "launch/report/verdict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/launch/report/synthetic_run.h"

namespace peryton {
namespace {

using testing::HasSubstr;
using testing_support::synthetic_config;

EvaluationSummary row(const std::string& name, double bits_per_byte,
                      std::optional<std::pair<double, double>> gain = std::nullopt) {
  EvaluationSummary summary;
  summary.name = name;
  summary.bits_per_byte = {bits_per_byte, std::pair{bits_per_byte - 0.02, bits_per_byte + 0.02}};
  if (gain) summary.difference_to_hybrid = {(gain->first + gain->second) / 2, gain};
  return summary;
}

Verdict verdict(std::vector<EvaluationSummary> rows) {
  RunSummary summary;
  summary.status = "done";
  summary.evaluation = std::move(rows);
  return verdict_of(synthetic_config(), summary);
}

TEST(Verdict, TieWhereTheIntervalOfTheDifferenceHoldsZero) {
  const Verdict found = verdict({row("mix", 1.7), row("uniform", 1.71, std::pair{-0.01, 0.03})});
  EXPECT_EQ(found.outcome, Outcome::kTie);
  EXPECT_THAT(found.headline, HasSubstr("tie"));
  EXPECT_THAT(found.comparisons.at(0), HasSubstr("tie"));
}

TEST(Verdict, ZeroAtTheEdgeIsATie) {
  EXPECT_EQ(outcome_against(row("a", 1.7, std::pair{0.0, 0.03})), Outcome::kTie);
  EXPECT_EQ(outcome_against(row("a", 1.7, std::pair{-0.03, 0.0})), Outcome::kTie);
}

TEST(Verdict, BetterOnlyWhenEveryIntervalSaysSo) {
  const auto clear = row("far", 1.9, std::pair{0.1, 0.3});
  const auto near = row("near", 1.72, std::pair{-0.01, 0.05});
  EXPECT_EQ(verdict({row("mix", 1.7), clear}).outcome, Outcome::kBetter);
  const Verdict both = verdict({row("mix", 1.7), clear, near});
  EXPECT_EQ(both.outcome, Outcome::kTie);
  EXPECT_THAT(both.headline, HasSubstr("“near”"));
}

TEST(Verdict, OneThatIsClearlyBetterMakesItWorse) {
  const Verdict found = verdict({row("mix", 1.7), row("even", 1.69, std::pair{-0.03, 0.01}),
                                 row("ensemble", 1.65, std::pair{-0.06, -0.04})});
  EXPECT_EQ(found.outcome, Outcome::kWorse);
  EXPECT_THAT(found.headline, HasSubstr("not the best"));
  EXPECT_THAT(found.comparisons.at(1),
              HasSubstr("Worse than “ensemble” by 0.050 (0.040 to 0.060)"));
}

TEST(Verdict, NoIntervalIsUndecided) {
  EXPECT_EQ(verdict({row("mix", 1.7), row("other", 1.9)}).outcome, Outcome::kUnknown);
}

TEST(Verdict, SaysOneSeedAndTheEasyCase) {
  const Verdict found = verdict({row("mix", 1.7), row("other", 1.9)});
  const auto caveats = found.caveats;
  EXPECT_THAT(caveats, testing::Contains(HasSubstr("one seed")));
  EXPECT_THAT(caveats, testing::Contains(HasSubstr("easy case, and no evidence of transfer")));
}

TEST(Verdict, ComponentsFromElsewhereAreNotCalledTheEasyCase) {
  RunConfig config = synthetic_config();
  for (ComponentConfig& component : config.components) component.from = "/models/" + component.name;
  RunSummary summary;
  summary.evaluation = {row("mix", 1.7), row("other", 1.9)};
  EXPECT_THAT(verdict_of(config, summary).caveats,
              testing::Not(testing::Contains(HasSubstr("easy case"))));
}

TEST(Verdict, WithoutAnEvaluationThereIsNone) {
  EXPECT_EQ(verdict({}).outcome, Outcome::kUnknown);
  EXPECT_THAT(verdict({}).headline, HasSubstr("no verdict"));
}

}  // namespace
}  // namespace peryton
