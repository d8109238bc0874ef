// Launcher, mpirun and ranks as real processes: exit codes, signals, kills.
// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

#include "launch/pipeline/records.h"

namespace peryton {
namespace {

namespace fs = std::filesystem;

template <class Condition>
bool soon(Condition condition) {
  for (int i = 0; i < 1500; ++i) {  // generous: the machine may be busy
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return condition();
}

pid_t read_pid(const fs::path& file) {
  pid_t pid = 0;
  std::ifstream(file) >> pid;
  return pid;
}

// A zombie is dead: whoever adopted it may take its time to notice.
bool is_alive(pid_t pid) {
  std::ifstream stream("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  if (!std::getline(stream, text)) return false;
  const std::size_t state = text.rfind(')');
  return state != std::string::npos && text.substr(state, 3) != ") Z";
}

std::string contents(const fs::path& file) {
  std::ifstream stream(file);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

class WorkerTest : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("peryton-worker-" + std::to_string(getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    std::ofstream(folder_ / "t.yaml")
        << "run: {name: t, folder: " << (folder_ / "run").string() << "}\n"
        << "components: {a: {family: gpt_neox}, b: {family: mamba2}}\n"
        << "parallel: {data: " << GetParam() << "}\n"
        << "stages: [{kind: generate, prompts: [x]}]\n";
  }
  void TearDown() override {
    if (launcher_ > 0) {
      kill(launcher_, SIGKILL);
      waitpid(launcher_, nullptr, 0);
    }
    fs::remove_all(folder_);
  }

  void start(const std::string& what) {
    const std::string config = folder_ / "t.yaml";
    const std::string log = folder_ / "console.txt";
    launcher_ = fork();
    if (launcher_ != 0) return;
    setenv("PERYTON_STAND_IN", what.c_str(), 1);
    const int output = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    execl(PERYTON_STAND_IN, PERYTON_STAND_IN, "run", config.c_str(), static_cast<char*>(nullptr));
    _exit(126);
  }

  int exit_code() {
    int status = 0;
    waitpid(launcher_, &status, 0);
    launcher_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  fs::path stage() const { return folder_ / "run/stages/generate"; }

  // Waits until all ranks sleep in their stage.
  std::vector<pid_t> sleeping_ranks() {
    std::vector<pid_t> ranks;
    for (int rank = 0; rank < GetParam(); ++rank) {
      const fs::path file = stage() / ("pid-" + std::to_string(rank));
      EXPECT_TRUE(soon([&] { return read_pid(file) > 0; })) << contents(folder_ / "console.txt");
      ranks.push_back(read_pid(file));
    }
    return ranks;
  }

  static void expect_all_gone(const std::vector<pid_t>& ranks) {
    for (const pid_t rank : ranks) EXPECT_TRUE(soon([&] { return !is_alive(rank); })) << rank;
  }

  fs::path folder_;
  pid_t launcher_ = 0;
};

TEST_P(WorkerTest, Done) {
  start("");
  EXPECT_EQ(exit_code(), 0) << contents(folder_ / "console.txt");
  EXPECT_EQ(read_stage_manifest(stage())->tokens, GetParam());
  for (int rank = 0; rank < GetParam(); ++rank) {
    const std::string log = contents(stage() / "log" / ("rank-" + std::to_string(rank) + ".txt"));
    EXPECT_NE(log.find("stage generate: done"), std::string::npos) << log;
  }
}

TEST_P(WorkerTest, SignalsSaveAndExit85) {
  for (const int number : {SIGTERM, SIGUSR1, SIGINT, SIGHUP}) {
    start("sleep");
    const auto ranks = sleeping_ranks();
    kill(launcher_, number);
    EXPECT_EQ(exit_code(), 85) << number << contents(folder_ / "console.txt");
    expect_all_gone(ranks);
    EXPECT_EQ(read_state(stage())->status, "stopped");
    for (int rank = 0; rank < GetParam(); ++rank) {
      fs::remove(stage() / ("pid-" + std::to_string(rank)));
    }
  }
}

TEST_P(WorkerTest, AKilledLauncherLeavesNobody) {
  start("sleep");
  const auto ranks = sleeping_ranks();
  for (const pid_t rank : ranks) EXPECT_TRUE(is_alive(rank));
  kill(launcher_, SIGKILL);
  EXPECT_EQ(exit_code(), 137);
  expect_all_gone(ranks);
  start("");  // the lock is free
  EXPECT_EQ(exit_code(), 0) << contents(folder_ / "console.txt");
}

TEST_P(WorkerTest, AKilledRankEndsTheRun) {
  start("sleep");
  const auto ranks = sleeping_ranks();
  kill(ranks.back(), SIGKILL);
  EXPECT_EQ(exit_code(), 1);
  expect_all_gone(ranks);
  EXPECT_EQ(read_state(stage())->status, "failed");
}

TEST_P(WorkerTest, AFailingRankIsExplained) {
  start("fail");
  EXPECT_EQ(exit_code(), 1);
  EXPECT_NE(contents(folder_ / "console.txt").find("broken on purpose"), std::string::npos);
}

TEST_P(WorkerTest, TheUsersMistakeIsExitCode2) {
  start("input");
  EXPECT_EQ(exit_code(), 2);
  EXPECT_NE(contents(folder_ / "console.txt").find("text.txt:3: bad on purpose"),
            std::string::npos);
}

TEST_P(WorkerTest, OneLauncherAtATime) {
  start("sleep");
  const auto ranks = sleeping_ranks();
  const pid_t first = launcher_;
  start("");
  EXPECT_EQ(exit_code(), 2);
  launcher_ = first;
  for (const pid_t rank : ranks) EXPECT_TRUE(is_alive(rank));
}

INSTANTIATE_TEST_SUITE_P(Worlds, WorkerTest, ::testing::Values(1, 2));

}  // namespace
}  // namespace peryton
