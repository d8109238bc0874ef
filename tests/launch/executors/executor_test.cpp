// The exact command lines, and which worlds a machine takes.
// SPDX-License-Identifier: Apache-2.0
#include "launch/executors/executor.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "framework/core/error.h"

namespace peryton {
namespace {

const WorkerJob kJob{"/opt/bin/peryton", "/data/my run/config.resolved.yaml", "search"};

class Commands : public ::testing::Test {
 protected:
  void SetUp() override { setenv("PERYTON_PROGRESS", "off", 1); }  // not the test's terminal
  void TearDown() override { unsetenv("PERYTON_PROGRESS"); }

  static std::string command(std::int64_t ranks, std::int64_t threads, const Machine& machine) {
    RunConfig config;
    config.parallel.data = ranks;
    config.parallel.threads = threads;
    return make_executor(config, machine)->command(kJob).text();
  }
};

TEST_F(Commands, Local) {
  EXPECT_EQ(
      command(1, 0, {.cores = 4, .root = true}),
      "OMP_NUM_THREADS=4 /opt/bin/peryton worker --config '/data/my run/config.resolved.yaml' "
      "--stage search --threads 4");
}

TEST_F(Commands, MpirunAsRoot) {
  EXPECT_EQ(command(2, 0, {.cores = 2, .root = true}),
            "OMP_NUM_THREADS=1 mpirun -np 2 --allow-run-as-root --use-hwthread-cpus --bind-to none "
            "/opt/bin/peryton worker --config '/data/my run/config.resolved.yaml' --stage search "
            "--threads 1");
}

TEST_F(Commands, MpirunOversubscribedWithoutSingleCopy) {
  EXPECT_EQ(command(4, 2, {.cores = 2, .root = false, .single_copy = false}),
            "OMP_NUM_THREADS=2 mpirun -np 4 --use-hwthread-cpus --bind-to none --oversubscribe "
            "--mca btl_vader_single_copy_mechanism none /opt/bin/peryton worker "
            "--config '/data/my run/config.resolved.yaml' --stage search --threads 2");
}

TEST(Threads, ShareTheCores) {
  EXPECT_EQ(threads_per_rank({.data = 2}, {.cores = 8}), 4);
  EXPECT_EQ(threads_per_rank({.data = 4}, {.cores = 2}), 1);
  EXPECT_EQ(threads_per_rank({.data = 4, .threads = 3}, {.cores = 2}), 3);
}

TEST(World, HasALimit) {
  RunConfig config;
  config.parallel.data = 16;
  EXPECT_NO_THROW(check_world(config, {.cores = 1}));
  config.parallel.data = 17;
  try {
    check_world(config, {.cores = 2});
    FAIL() << "17 ranks on 2 cores";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), 2);
  }
  EXPECT_NO_THROW(check_world(config, {.cores = 3}));
}

TEST(CommandLineText, IsSafeForAShell) {
  EXPECT_EQ((CommandLine{{"a", "b c", "it's", ""}, {{"X", "1 2"}}}.text()),
            "X='1 2' a 'b c' 'it'\\''s' ''");
}

TEST(ThisMachine, HasACore) { EXPECT_GE(this_machine().cores, 1); }

}  // namespace
}  // namespace peryton
