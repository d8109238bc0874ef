// peryton run --dry-run, status and the commands' mistakes, in this process.
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "launch/cli/commands.h"
#include "launch/executors/executor.h"
#include "launch/pipeline/dry_run.h"

namespace peryton {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class RunCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("peryton-run-command-" + std::to_string(getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    std::ofstream(folder_ / "text.txt") << "text";
    std::ofstream(folder_ / "t.yaml")
        << "run: {name: t, folder: " << (folder_ / "run").string() << "}\n"
        << "data: {sources: [" << (folder_ / "text.txt").string() << "]}\n"
        << R"(components:
  a: {family: gpt_neox, width: 32, layers: 2, heads: 2}
  b: {family: mamba2, width: 32, layers: 2}
hybrid: {segments: 2}
train: {sequence: 32, global_batch: 4}
stages:
  - {kind: pretrain, steps: 3}
  - {kind: search, steps: 2}
)";
  }
  void TearDown() override { fs::remove_all(folder_); }

  // Exit code; what was printed goes to out_ and error_.
  int peryton(const std::vector<std::string>& arguments) {
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    const int code = run_command_line(arguments);
    out_ = testing::internal::GetCapturedStdout();
    error_ = testing::internal::GetCapturedStderr();
    return code;
  }
  std::string file() const { return folder_ / "t.yaml"; }

  fs::path folder_;
  std::string out_, error_;
};

TEST_F(RunCommand, DryRunTellsAllAndDoesNothing) {
  EXPECT_EQ(peryton({"run", file(), "--dry-run", "--set", "parallel.threads=1"}), 0) << error_;
  EXPECT_THAT(out_, HasSubstr("world: 1 ranks"));
  for (const char* stage : {"data", "pretrain-a", "pretrain-b", "search"}) {
    EXPECT_THAT(out_, HasSubstr(std::string("--stage ") + stage + " --threads 1")) << stage;
  }
  EXPECT_THAT(out_, HasSubstr("run: no result yet"));
  EXPECT_FALSE(fs::exists(folder_ / "run"));
}

TEST_F(RunCommand, DryRunPrintsTheCommandsOfTheRun) {
  const RunConfig config = read_run_config(file(), {"parallel.data=2"});
  const Machine machine{.cores = 2, .root = true};
  const auto executor = make_executor(config, machine);
  const std::string text = dry_run(config, *executor, machine, "/opt/peryton");
  for (const StageConfig& stage : config.stages) {
    const WorkerJob job{"/opt/peryton", config.run.folder / "config.resolved.yaml", stage.name};
    EXPECT_THAT(text, HasSubstr(executor->command(job).text()));
  }
}

TEST_F(RunCommand, PlannedTokens) {
  const RunConfig config = read_run_config(file(), {"stages.search.steps=7"});
  EXPECT_EQ(planned_tokens(config, config.stage("search")), 7 * 32 * 4);
  EXPECT_EQ(planned_tokens(config, config.stage("data")), 0);
}

TEST_F(RunCommand, Mistakes) {
  EXPECT_EQ(peryton({"run", file(), "--dryrun"}), 2);
  EXPECT_THAT(error_, HasSubstr("'--dry-run'"));
  EXPECT_EQ(peryton({"run", file(), "--dry"}), 2);  // no guessing
  EXPECT_EQ(peryton({"run"}), 2);
  EXPECT_EQ(peryton({"run", "/nowhere.yaml"}), 2);
  EXPECT_EQ(peryton({"run", file(), "--set", "train.sequnce=5"}), 2);
  EXPECT_THAT(error_, HasSubstr("--set train.sequnce=5: unknown key 'train.sequnce'"));
  EXPECT_THAT(error_, HasSubstr("did you mean 'sequence'?"));
  EXPECT_EQ(peryton({"run", file(), "--set", "parallel.data=3"}), 2);
  fs::remove(folder_ / "text.txt");
  EXPECT_EQ(peryton({"run", file()}), 2);
  EXPECT_THAT(error_, HasSubstr("t.yaml:2:18: there is no file or folder"));
  EXPECT_FALSE(fs::exists(folder_ / "run"));
}

TEST_F(RunCommand, StatusOfARunThatHasNotBegun) {
  EXPECT_EQ(peryton({"status", folder_}), 2);
  EXPECT_THAT(error_, HasSubstr("not a run folder"));
  fs::create_directories(folder_ / "run");
  std::ofstream(folder_ / "run/config.resolved.yaml") << resolved_yaml(read_run_config(file()));
  EXPECT_EQ(peryton({"status", folder_ / "run"}), 0) << error_;
  EXPECT_THAT(out_, HasSubstr("not running"));
  EXPECT_THAT(out_, HasSubstr("waiting"));
}

TEST_F(RunCommand, HelpOfEveryCommand) {
  for (const char* command : {"run", "status", "worker", "evaluate", "generate", "export"}) {
    EXPECT_EQ(peryton({command, "--help"}), 0) << command;
    EXPECT_THAT(out_, HasSubstr(std::string("usage: peryton ") + command));
  }
}

}  // namespace
}  // namespace peryton
