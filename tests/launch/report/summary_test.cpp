// SPDX-License-Identifier: Apache-2.0
#include "launch/report/summary.h"

#include <gtest/gtest.h>

#include "framework/core/error.h"
#include "tests/launch/report/synthetic_run.h"

namespace peryton {
namespace {

using testing_support::synthetic_config;
using testing_support::SyntheticRun;

TEST(Summary, HoldsEveryStageTheMixtureTheEvaluationAndTheCost) {
  const SyntheticRun run;
  run.fill();
  const RunSummary summary = summarise_run(synthetic_config(), run.folder());
  EXPECT_EQ(summary.name, "mix");
  EXPECT_EQ(summary.status, "done");
  EXPECT_EQ(summary.seed, 7u);
  EXPECT_EQ(summary.data, 2);
  ASSERT_EQ(summary.stages.size(), 8u);
  EXPECT_EQ(summary.stages[4].name, "search");
  EXPECT_EQ(summary.stages[4].kind, "search");
  EXPECT_EQ(summary.stages[4].final_loss, 3.25);
  EXPECT_DOUBLE_EQ(summary.stages[4].tokens_per_second, 2000);
  EXPECT_FALSE(summary.stages[0].final_loss.has_value());
  // The fine-tuned hybrid's own folder names no mixture: it is that of the search before it.
  EXPECT_EQ(summary.alpha, (std::vector<std::vector<double>>{{0.75, 0.25}, {0.5, 0.5}}));
  EXPECT_EQ(summary.cost.tokens, 500000);
  EXPECT_DOUBLE_EQ(summary.cost.flops, 5e12);
  EXPECT_DOUBLE_EQ(summary.cost.core_seconds, 8 * 50.0 * 2);  // cores of the manifests
}

TEST(Summary, EvaluationKeepsTheOrderOfTheConfiguration) {
  const SyntheticRun run;
  run.fill();
  const auto rows = summarise_run(synthetic_config(), run.folder()).evaluation;
  ASSERT_EQ(rows.size(), 3u);  // the file itself is sorted by name
  EXPECT_EQ(rows[0].name, "searched hybrid");
  EXPECT_EQ(rows[1].name, "uniform alpha");
  EXPECT_EQ(rows[2].name, "neox, equal tokens");
  EXPECT_EQ(rows[0].alpha_distance_from_uniform, 0.12);
  EXPECT_FALSE(rows[0].difference_to_hybrid.has_value());
  EXPECT_DOUBLE_EQ(rows[2].difference_to_hybrid->value, 0.08);
}

TEST(Summary, JsonHasTheContractsKeysAndReadsBackAlike) {
  const SyntheticRun run;
  run.fill();
  const auto json = to_json(summarise_run(synthetic_config(), run.folder()));
  for (const char* key : {"name", "status", "version", "git", "world", "seed", "stages", "alpha",
                          "evaluation", "cost"}) {
    EXPECT_TRUE(json.contains(key)) << key;
  }
  for (const char* key : {"name", "kind", "status", "seconds", "steps", "tokens",
                          "tokens_per_second", "final_loss", "peak_memory_bytes", "resumed_from"}) {
    EXPECT_TRUE(json["stages"][0].contains(key)) << key;
  }
  for (const char* key :
       {"loss", "perplexity", "bits_per_byte", "bits_per_byte_interval", "tokens", "parameters",
        "trainable_parameters", "training_tokens", "training_flops", "flops_per_token"}) {
    EXPECT_TRUE(json["evaluation"]["uniform alpha"].contains(key)) << key;
  }
  EXPECT_TRUE(json["stages"][0]["resumed_from"].is_null());
  EXPECT_EQ(to_json(run_summary_from_json(json, "test")), json);
}

TEST(Summary, UnfinishedRunSaysSo) {
  const SyntheticRun run;
  run.fill();
  std::filesystem::remove_all(run.folder() / "stages/evaluate");
  EXPECT_EQ(summarise_run(synthetic_config(), run.folder()).status, "waiting");
  std::filesystem::remove(run.folder() / "stages/search/manifest.json");
  run.put("stages/search/state.json", R"({"status": "failed", "reason": "disk full"})");
  EXPECT_EQ(summarise_run(synthetic_config(), run.folder()).status, "failed");
  run.put("stages/search/state.json", R"({"status": "stopped", "reason": ""})");
  EXPECT_EQ(summarise_run(synthetic_config(), run.folder()).status, "stopped");
}

TEST(Summary, DamagedFilesLeaveTheirFiguresOut) {
  const SyntheticRun run;
  run.fill();
  run.put("stages/search/result.json", "{\"status\": \"done\", \"steps\": \"many\"");
  run.put("stages/evaluate/evaluation.json", "[1, 2");
  run.put("stages/search/metrics.jsonl",
          "{\"step\": 1, \"alpha\": [[1], [0.5, 0.5]]}\n{\"step\": 2");
  const RunSummary summary = summarise_run(synthetic_config(), run.folder());
  EXPECT_EQ(summary.stages[4].steps, 0);
  EXPECT_TRUE(summary.evaluation.empty());
  EXPECT_TRUE(summary.alpha.empty());
}

TEST(Summary, ReadingSomethingElseIsTheUsersError) {
  const SyntheticRun run;
  run.put("summary.json", "{\"stages\": 3}");
  for (const char* file : {"summary.json", "missing.json"}) {
    try {
      read_run_summary(run.folder() / file);
      FAIL() << file;
    } catch (const Error& error) {
      EXPECT_EQ(error.exit_code(), 2);
    }
  }
}

TEST(Summary, TableHasARowPerModelAndLinesUp) {
  const SyntheticRun run;
  run.fill();
  const std::string table = evaluation_table(summarise_run(synthetic_config(), run.folder()));
  EXPECT_NE(table.find("searched hybrid"), std::string::npos);
  EXPECT_NE(table.find("1.720 (1.700 to 1.740)"), std::string::npos);
  std::stringstream lines(table);
  std::string line;
  size_t width = 0, count = 0;
  for (; std::getline(lines, line); ++count) {
    if (width == 0) width = line.size();
    EXPECT_EQ(line.size(), width) << line;
  }
  EXPECT_EQ(count, 4u);
}

}  // namespace
}  // namespace peryton
