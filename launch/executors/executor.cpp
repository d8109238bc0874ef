// SPDX-License-Identifier: Apache-2.0
#include "launch/executors/executor.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "framework/core/error.h"
#include "launch/executors/process.h"

namespace peryton {
namespace {

// Ranks beyond this many per core are a typing mistake, not a test.
constexpr std::int64_t kRanksPerCore = 8;
constexpr std::int64_t kRanksAnywhere = 16;

std::vector<std::string> worker_arguments(const WorkerJob& job, int threads) {
  return {job.program.string(),
          "worker",
          "--config",
          job.config_file.string(),
          "--stage",
          job.stage,
          "--threads",
          std::to_string(threads)};
}

std::vector<std::pair<std::string, std::string>> worker_environment(int threads) {
  // mpirun gives rank 0 a terminal of its own even where the launcher's output is a file.
  const bool terminal = isatty(STDERR_FILENO) != 0;
  std::vector<std::pair<std::string, std::string>> environment = {
      {"OMP_NUM_THREADS", std::to_string(threads)}};
  if (std::getenv("PERYTON_PROGRESS") == nullptr) {
    environment.emplace_back("PERYTON_PROGRESS", terminal ? "bar" : "lines");
  }
  return environment;
}

class LocalExecutor final : public Executor {
 public:
  explicit LocalExecutor(int threads) : threads_(threads) {}
  std::string name() const override { return "local"; }
  CommandLine command(const WorkerJob& job) const override {
    return {worker_arguments(job, threads_), worker_environment(threads_)};
  }
  int run(const WorkerJob& job, SignalGate& signals) override {
    return run_process(command(job), signals);
  }

 private:
  int threads_;
};

class MpirunExecutor final : public Executor {
 public:
  MpirunExecutor(std::int64_t ranks, int threads, const Machine& machine)
      : ranks_(ranks), threads_(threads), machine_(machine) {}
  std::string name() const override { return "mpirun"; }

  CommandLine command(const WorkerJob& job) const override {
    CommandLine command;
    command.arguments = {"mpirun", "-np", std::to_string(ranks_)};
    const auto add = [&](std::initializer_list<const char*> words) {
      command.arguments.insert(command.arguments.end(), words.begin(), words.end());
    };
    if (machine_.root) add({"--allow-run-as-root"});
    // Hardware threads count as slots. Ranks are not bound: Open MPI would bind one to a single
    // core, which starves its thread team, and would put two runs on one machine on the same cores.
    add({"--use-hwthread-cpus", "--bind-to", "none"});
    if (ranks_ > machine_.cores) add({"--oversubscribe"});
    if (!machine_.single_copy) add({"--mca", "btl_vader_single_copy_mechanism", "none"});
    const auto worker = worker_arguments(job, threads_);
    command.arguments.insert(command.arguments.end(), worker.begin(), worker.end());
    command.environment = worker_environment(threads_);
    return command;
  }

  int run(const WorkerJob& job, SignalGate& signals) override {
    return run_process(command(job), signals);
  }

 private:
  std::int64_t ranks_;
  int threads_;
  Machine machine_;
};

}  // namespace

int threads_per_rank(const ParallelConfig& parallel, const Machine& machine) {
  if (parallel.threads > 0) return static_cast<int>(parallel.threads);
  return static_cast<int>(std::max<std::int64_t>(1, machine.cores / parallel.world()));
}

void check_world(const RunConfig& config, const Machine& machine) {
  const std::int64_t world = config.parallel.world();
  const std::int64_t most = std::max(kRanksAnywhere, kRanksPerCore * machine.cores);
  if (world <= most) return;
  fail_input("parallel asks for " + std::to_string(world) + " ranks; this machine has " +
                 std::to_string(machine.cores) + " cores and runs at most " + std::to_string(most),
             "", "set parallel.data to about the number of cores");
}

std::unique_ptr<Executor> make_executor(const RunConfig& config, const Machine& machine) {
  const int threads = threads_per_rank(config.parallel, machine);
  if (config.parallel.world() == 1) return std::make_unique<LocalExecutor>(threads);
  return std::make_unique<MpirunExecutor>(config.parallel.world(), threads, machine);
}

}  // namespace peryton
