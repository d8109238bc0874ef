// What runs again and what does not, with stages that only write a line of text.
// SPDX-License-Identifier: Apache-2.0
#include "launch/pipeline/pipeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "framework/checkpoint/files.h"
#include "framework/core/error.h"
#include "launch/pipeline/decision.h"
#include "launch/pipeline/failure.h"

namespace peryton {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Runs stages in this process: each writes `content[stage]` (default: its name) as its output.
class StandIn final : public Executor {
 public:
  std::string name() const override { return "stand-in"; }
  CommandLine command(const WorkerJob&) const override { return {}; }
  int run(const WorkerJob& job, SignalGate&) override {
    ran.push_back(job.stage);
    const fs::path folder = job.config_file.parent_path() / "stages" / job.stage;
    leftovers[job.stage] = fs::exists(folder / "half.txt");
    if (exit_code.count(job.stage) != 0) {
      std::ofstream(folder / "half.txt") << "half";
      if (exit_code[job.stage] == 2) record_failure(folder, 1, "bad text", true);
      return exit_code[job.stage];
    }
    std::ofstream(folder / "out.txt")
        << (content.count(job.stage) ? content[job.stage] : job.stage);
    StageResult result;
    result.tokens = tokens;
    result.outputs = {"out.txt"};
    atomic_write_file(folder / "result.json", to_json(result).dump());
    return 0;
  }

  std::vector<std::string> ran;
  std::map<std::string, std::string> content;
  std::map<std::string, int> exit_code;
  std::map<std::string, bool> leftovers;
  std::int64_t tokens = 100;
};

class PipelineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("peryton-pipeline-" + std::to_string(getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    std::ofstream(folder_ / "text.txt") << "text";
  }
  void TearDown() override { fs::remove_all(folder_); }

  RunConfig config(std::vector<std::string> overrides = {}) const {
    overrides.push_back("run.folder=" + (folder_ / "run").string());
    return parse_run_config(
        "run: {name: t}\n"
        "data: {sources: [" +
            (folder_ / "text.txt").string() + "]}\n" +
            R"(components: {a: {family: gpt_neox}, b: {family: mamba2}}
hybrid: {segments: 2}
stages:
  - {kind: pretrain, steps: 4}
  - {kind: search, steps: 4}
  - {kind: finetune, name: alone, model: a, match: tokens, of: [search]}
  - {kind: evaluate, models: [search, alone]}
)",
        "t.yaml", overrides);
  }

  int run(const std::vector<std::string>& overrides = {}) {
    executor_.ran.clear();
    said_.clear();
    SignalGate signals;
    PipelineOptions options;
    options.say = [this](const std::string& line) { said_ += line + "\n"; };
    options.after_stage = [this](const RunConfig&, const fs::path&) { ++reports_; };
    return run_pipeline(config(overrides), executor_, signals, options);
  }
  fs::path stage(const std::string& name) const { return folder_ / "run/stages" / name; }

  fs::path folder_;
  StandIn executor_;
  std::string said_;
  int reports_ = 0;
};

TEST_F(PipelineTest, RunsEverythingOnce) {
  EXPECT_EQ(run(), 0);
  EXPECT_THAT(executor_.ran,
              ElementsAre("data", "pretrain-a", "pretrain-b", "search", "alone", "evaluate"));
  EXPECT_TRUE(fs::exists(stage("search") / "manifest.json"));
  EXPECT_FALSE(fs::exists(stage("search") / "state.json"));
  EXPECT_TRUE(fs::exists(folder_ / "run/config.resolved.yaml"));
  EXPECT_EQ(reports_, 7);  // after every stage, and at the end
  EXPECT_EQ(run(), 0);
  EXPECT_THAT(executor_.ran, IsEmpty());
}

TEST_F(PipelineTest, ADeletedStageRunsAgainAlone) {
  run();
  fs::remove_all(stage("pretrain-b"));
  EXPECT_EQ(run(), 0);
  EXPECT_THAT(executor_.ran, ElementsAre("pretrain-b"));  // the same output: nothing follows
}

TEST_F(PipelineTest, ChangedOutputsReachWhatReadsThem) {
  run();
  fs::remove_all(stage("pretrain-b"));
  executor_.content["pretrain-b"] = "another";
  EXPECT_EQ(run(), 0);
  EXPECT_THAT(executor_.ran,
              ElementsAre("pretrain-b", "search", "evaluate"));  // `alone` has no part in b
}

TEST_F(PipelineTest, ABudgetIsOnlyANumber) {
  run();
  executor_.content["search"] = "another";
  fs::remove_all(stage("search"));
  run();
  EXPECT_THAT(executor_.ran, ElementsAre("search", "evaluate"));
  executor_.tokens = 200;
  fs::remove_all(stage("search"));
  run();
  EXPECT_THAT(executor_.ran, ElementsAre("search", "alone"));
}

TEST_F(PipelineTest, ChangedSettings) {
  run();
  run({"stages.search.lr=0.5"});
  EXPECT_THAT(executor_.ran, ElementsAre("search"));
  EXPECT_NE(said_.find("its setting 'lr' changed"), std::string::npos) << said_;
  run({"stages.search.lr=0.5", "train.log_every=5", "parallel.threads=2"});
  EXPECT_THAT(executor_.ran, IsEmpty());
}

TEST_F(PipelineTest, ChangedText) {
  run();
  std::ofstream(folder_ / "text.txt") << "other text";
  run();
  EXPECT_THAT(executor_.ran, ElementsAre("data"));
}

TEST_F(PipelineTest, AMissingOutputIsNoticed) {
  run();
  fs::remove(stage("search") / "out.txt");
  run();
  EXPECT_THAT(executor_.ran, ElementsAre("search"));
}

TEST_F(PipelineTest, ADamagedManifestIsNoticed) {
  run();
  std::ofstream(stage("search") / "manifest.json") << "{";
  run();
  EXPECT_THAT(executor_.ran, ElementsAre("search"));
}

TEST_F(PipelineTest, AnInterruptedStageIsResumedOnlyAsItWas) {
  executor_.exit_code["search"] = 85;
  EXPECT_EQ(run(), 85);
  EXPECT_THAT(executor_.ran, ElementsAre("data", "pretrain-a", "pretrain-b", "search"));
  EXPECT_EQ(read_state(stage("search"))->status, "stopped");
  executor_.exit_code.clear();
  EXPECT_EQ(run(), 0);
  EXPECT_TRUE(executor_.leftovers["search"]);  // what the first try wrote was there

  executor_.exit_code["search"] = 85;
  fs::remove_all(stage("search"));
  EXPECT_EQ(run(), 85);
  executor_.exit_code.clear();
  EXPECT_EQ(run({"stages.search.lr=0.5"}), 0);
  EXPECT_FALSE(executor_.leftovers["search"]);
}

TEST_F(PipelineTest, AFailureStopsAndIsExplained) {
  executor_.exit_code["pretrain-b"] = 2;
  EXPECT_EQ(run(), 2);
  EXPECT_THAT(executor_.ran, ElementsAre("data", "pretrain-a", "pretrain-b"));
  EXPECT_NE(said_.find("bad text"), std::string::npos) << said_;
  EXPECT_EQ(read_state(stage("pretrain-b"))->status, "failed");
  executor_.exit_code["pretrain-b"] = 137;
  EXPECT_EQ(run(), 1);
  EXPECT_NE(said_.find("killed"), std::string::npos) << said_;
  EXPECT_EQ(said_.find("bad text"), std::string::npos) << said_;  // of the earlier try
}

TEST_F(PipelineTest, ASignalBetweenStagesStops) {
  SignalGate signals;
  raise(SIGTERM);  // to this thread: others may not have the gate's mask
  EXPECT_EQ(run_pipeline(config(), executor_, signals, {}), 85);
  EXPECT_THAT(executor_.ran, IsEmpty());
}

TEST_F(PipelineTest, AFolderInUseIsRefused) {
  const FolderLock lock(folder_ / "run");
  EXPECT_THROW(run(), Error);
  EXPECT_THAT(executor_.ran, IsEmpty());
}

TEST_F(PipelineTest, MissingTextIsFoundBeforeAnythingStarts) {
  fs::remove(folder_ / "text.txt");
  EXPECT_THROW(check_inputs(config()), Error);
}

TEST_F(PipelineTest, Preview) {
  const RunConfig plan = config();
  EXPECT_EQ(preview(plan, plan.stage("data"), plan.run.folder, {}).reason, "no result yet");
  EXPECT_FALSE(fs::exists(folder_ / "run"));
  run();
  EXPECT_EQ(preview(plan, plan.stage("search"), plan.run.folder, {}).action,
            Decision::Action::kSkip);
  EXPECT_EQ(preview(plan, plan.stage("search"), plan.run.folder, {"data"}).reason,
            "if the outputs of 'data' change");
}

}  // namespace
}  // namespace peryton
