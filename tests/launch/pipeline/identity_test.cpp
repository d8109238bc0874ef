// Which changes make a finished stage run again.
// SPDX-License-Identifier: Apache-2.0
#include "launch/pipeline/identity.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "framework/core/error.h"

namespace peryton {
namespace {

constexpr const char* kText = R"(run: {name: t, seed: 1}
data: {sources: [a.txt]}
components:
  a: {family: gpt_neox, width: 32}
  b: {family: mamba2, width: 32}
hybrid: {segments: 2}
train: {global_batch: 16, lr: 1e-3}
stages:
  - {kind: pretrain, steps: 4}
  - {kind: search, steps: 4}
  - {kind: evaluate}
)";

nlohmann::json relevant(const std::string& stage, const std::vector<std::string>& overrides = {},
                        const std::string& text = kText) {
  const RunConfig config = parse_run_config(text, "t.yaml", overrides);
  return relevant_config(config, config.stage(stage));
}

TEST(Identity, IrrelevantChanges) {
  const nlohmann::json before = relevant("search");
  for (const char* change :
       {"run.name=other", "run.folder=/elsewhere", "parallel.threads=3", "parallel.data=2",
        "train.log_every=10", "train.checkpoint.every=7", "train.checkpoint.keep_last=9",
        "train.micro_batch=1", "train.recompute=true", "report.title=x", "stages.2.bootstrap=5",
        "stages.0.steps=9", "data.sources=[b.txt]"}) {
    EXPECT_EQ(relevant("search", {change}), before) << change;
  }
}

TEST(Identity, CommentsAndOrderAreIrrelevant) {
  const std::string text = R"(# the same
train: {lr: 0.001, global_batch: 16}
hybrid: {segments: 2}
components: {a: {width: 32, family: gpt_neox}, b: {width: 32, family: mamba2}}
data: {sources: [a.txt]}
run: {seed: 1, name: t}
stages:
  - kind: pretrain   # as before
    steps: 4
  - {steps: 4, kind: search}
  - {kind: evaluate}
)";
  for (const char* stage : {"data", "pretrain-a", "search", "evaluate"}) {
    EXPECT_EQ(relevant(stage, {}, text), relevant(stage)) << stage;
  }
}

TEST(Identity, RelevantChanges) {
  const nlohmann::json before = relevant("search");
  for (const char* change :
       {"run.seed=2", "train.lr=2e-3", "stages.search.lr=2e-3", "train.global_batch=32",
        "stages.search.steps=5", "stages.search.alpha.method=gumbel", "hybrid.gate=manticore",
        "components.a.width=64", "train.precision=bf16", "stages.search.train=[alpha]"}) {
    EXPECT_NE(relevant("search", {change}), before) << change;
  }
}

TEST(Identity, AComponentsStageKnowsOnlyItsComponent) {
  const nlohmann::json before = relevant("pretrain-a");
  EXPECT_EQ(relevant("pretrain-a", {"components.b.width=64"}), before);
  EXPECT_EQ(relevant("pretrain-a", {"hybrid.gate=manticore"}), before);
  EXPECT_NE(relevant("pretrain-a", {"components.a.width=64"}), before);
}

TEST(Identity, EvaluationDependsOnTheHybridsForm) {
  EXPECT_NE(relevant("evaluate", {"hybrid.gate=manticore"}), relevant("evaluate"));
  EXPECT_EQ(relevant("evaluate", {"stages.search.lr=2e-3"}), relevant("evaluate"));
}

TEST(Identity, DifferenceIsNamed) {
  const RunConfig a = parse_run_config(kText, "t.yaml");
  const RunConfig b = parse_run_config(kText, "t.yaml", {"stages.search.lr=2e-3"});
  const StageIdentity before{relevant_config(a, a.stage("search")), {{"stage x", "1"}}};
  StageIdentity now = before;
  EXPECT_EQ(difference(before, now), "");
  now.inputs["stage x"] = "2";
  EXPECT_EQ(difference(before, now), "its input 'stage x' changed");
  now.config = relevant_config(b, b.stage("search"));
  EXPECT_EQ(difference(before, now), "its setting 'lr' changed");
}

TEST(Fingerprint, FollowsContents) {
  namespace fs = std::filesystem;
  const fs::path folder =
      fs::temp_directory_path() / ("peryton-fingerprint-" + std::to_string(getpid()));
  fs::create_directories(folder / "sub");
  std::ofstream(folder / "sub/a.txt") << "one";
  const std::string before = fingerprint(folder);
  EXPECT_EQ(fingerprint(folder), before);
  std::ofstream(folder / "sub/a.txt") << "two";
  EXPECT_NE(fingerprint(folder), before);
  std::ofstream(folder / "sub/a.txt") << "one";
  EXPECT_EQ(fingerprint(folder), before);
  fs::rename(folder / "sub/a.txt", folder / "sub/b.txt");
  EXPECT_NE(fingerprint(folder), before);
  EXPECT_THROW(fingerprint(folder / "none"), Error);
  fs::remove_all(folder);
}

}  // namespace
}  // namespace peryton
