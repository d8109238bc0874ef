// SPDX-License-Identifier: Apache-2.0
#include "launch/executors/process.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "framework/core/error.h"

namespace peryton {
namespace {

namespace fs = std::filesystem;

CommandLine shell(const std::string& script) { return {{"/bin/sh", "-c", script}, {}}; }

fs::path fresh_folder() {
  const fs::path folder =
      fs::temp_directory_path() / ("peryton-process-" + std::to_string(getpid()));
  fs::remove_all(folder);
  fs::create_directories(folder);
  return folder;
}

template <class Condition>
bool soon(Condition condition) {
  for (int i = 0; i < 500; ++i) {
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

TEST(RunProcess, ExitCodes) {
  SignalGate signals;
  EXPECT_EQ(run_process(shell("exit 0"), signals), 0);
  EXPECT_EQ(run_process(shell("exit 85"), signals), 85);
  EXPECT_EQ(run_process(shell("kill -9 $$"), signals), 137);
  EXPECT_FALSE(signals.asked_to_stop());
}

TEST(RunProcess, Environment) {
  SignalGate signals;
  EXPECT_EQ(
      run_process({{"/bin/sh", "-c", "test \"$A\" = new && test -n \"$PATH\""}, {{"A", "new"}}},
                  signals),
      0);
}

TEST(RunProcess, MissingProgram) {
  SignalGate signals;
  try {
    run_process({{"/nowhere/program"}, {}}, signals);
    FAIL() << "started";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kSystem);
    EXPECT_NE(std::string(error.what()).find("No such file"), std::string::npos);
  }
}

TEST(RunProcess, HandsSignalsOnAsUsr1) {
  for (const int number : {SIGTERM, SIGUSR1, SIGINT}) {
    const fs::path folder = fresh_folder();
    SignalGate signals;
    // To this thread: threads of earlier tests do not have the gate's mask.
    std::thread sender([&, launcher = pthread_self()] {
      ASSERT_TRUE(soon([&] { return fs::exists(folder / "ready"); }));
      pthread_kill(launcher, number);
    });
    const std::string script = "trap 'exit 85' USR1; touch " + (folder / "ready").string() +
                               "; while :; do sleep 0.05; done";
    EXPECT_EQ(run_process(shell(script), signals), 85) << number;
    EXPECT_TRUE(signals.asked_to_stop());
    sender.join();
    fs::remove_all(folder);
  }
}

TEST(RunProcess, LeavesNobodyBehindInItsGroup) {
  const fs::path folder = fresh_folder();
  SignalGate signals;
  run_process(shell("sleep 1000 & echo $! > " + (folder / "pid").string()), signals);
  const pid_t pid = read_pid(folder / "pid");
  ASSERT_GT(pid, 0);
  EXPECT_TRUE(soon([&] { return !is_alive(pid); }));
  fs::remove_all(folder);
}

// A launcher that is killed takes its worker along.
TEST(RunProcess, WorkerDiesWithItsLauncher) {
  const fs::path folder = fresh_folder();
  const pid_t launcher = fork();
  if (launcher == 0) {
    SignalGate signals;
    run_process(shell("echo $$ > " + (folder / "pid").string() + "; exec sleep 1000"), signals);
    _exit(0);
  }
  ASSERT_TRUE(soon([&] { return read_pid(folder / "pid") > 0; }));
  const pid_t worker = read_pid(folder / "pid");
  EXPECT_TRUE(is_alive(worker));
  kill(launcher, SIGKILL);
  waitpid(launcher, nullptr, 0);
  EXPECT_TRUE(soon([&] { return !is_alive(worker); }));
  fs::remove_all(folder);
}

}  // namespace
}  // namespace peryton
