// SPDX-License-Identifier: Apache-2.0
#include "launch/worker/worker.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "framework/checkpoint/files.h"
#include "framework/comm/world.h"
#include "framework/config/names.h"
#include "framework/core/error.h"
#include "framework/train/metrics/progress.h"
#include "launch/executors/process.h"
#include "launch/pipeline/failure.h"
#include "launch/pipeline/pipeline.h"
#include "launch/pipeline/records.h"
#include "launch/worker/rank_log.h"
#include "launch/worker/stop_watcher.h"

namespace peryton {
namespace {

namespace fs = std::filesystem;

const StageConfig& find_stage(const RunConfig& config, const std::string& name) {
  std::vector<std::string> names;
  for (const StageConfig& stage : config.stages) {
    if (stage.name == name) return stage;
    names.push_back(stage.name);
  }
  fail_input("there is no stage '" + name + "'", "--stage", suggest(name, names));
}

std::map<std::string, fs::path> inputs_of(const RunConfig& config, const StageConfig& stage) {
  std::map<std::string, fs::path> inputs;
  for (const std::string& name : stage.needs) {
    inputs[name] = stages_folder(config.run.folder) / name;
    if (!read_stage_manifest(inputs[name])) {
      fail_input("the stage '" + stage.name + "' needs '" + name + "', which is not done", "",
                 "`peryton run` runs them in order");
    }
  }
  return inputs;
}

std::int64_t peak_resident_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::int64_t>(usage.ru_maxrss) * 1024;
}

class Worker {
 public:
  Worker(const WorkerOptions& options, const StageTable& stages, const RunConfig& config,
         const std::atomic<bool>& stop)
      : options_(options),
        stages_(stages),
        config_(config),
        stage_(find_stage(config, options.stage)),
        folder_(stages_folder(config.run.folder) / stage_.name),
        stop_(stop) {}

  int run(Communicator& world) const {
    try {
      check_size(world);
      open_rank_log(folder_, world.rank());
      return run_stage(world);
    } catch (const Error& error) {
      note_failure(world, error.what(), error.kind() == ErrorKind::kUserInput);
      throw;
    } catch (const std::exception& error) {
      note_failure(world, error.what(), false);
      throw;
    }
  }

 private:
  // A world of ones, each of which believes that it is rank 0, is what a wrong launcher makes.
  void check_size(Communicator& world) const {
    if (world.size() == config_.parallel.world()) return;
    fail_input(fmt::format("the configuration is for {} ranks, and {} were started",
                           config_.parallel.world(), world.size()),
               "", "workers are started by `peryton run`");
  }

  int run_stage(Communicator& world) const {
    spdlog::info("stage {}: rank {} of {}, {} threads", stage_.name, world.rank(), world.size(),
                 options_.threads);
    const auto start = std::chrono::steady_clock::now();
    StageContext context{.config = config_,
                         .stage = stage_,
                         .run_folder = config_.run.folder,
                         .stage_folder = folder_,
                         .inputs = inputs_of(config_, stage_),
                         .world = world,
                         .stop = stop_,
                         .threads = options_.threads,
                         .is_terminal = progress_style(stderr) == ProgressStyle::kBar};
    StageResult result = stages_.run(context);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    const std::int64_t peak = world.max(peak_resident_bytes());
    if (result.peak_memory_bytes == 0) result.peak_memory_bytes = static_cast<std::uint64_t>(peak);
    if (result.seconds == 0) result.seconds = seconds.count();
    const bool stopped = result.status == StageStatus::kStopped;
    spdlog::info("stage {}: {}", stage_.name, stopped ? "saved and stopped" : "done");
    if (world.rank() == 0)
      atomic_write_file(folder_ / "result.json", to_json(result).dump(2) + "\n");
    world.barrier();
    return stopped ? kExitStopped : kExitDone;
  }

  void note_failure(Communicator& world, const std::string& message, bool user_input) const {
    spdlog::error("{}", message);
    record_failure(folder_, world.rank(), message, user_input);
  }

  const WorkerOptions& options_;
  const StageTable& stages_;
  const RunConfig& config_;
  const StageConfig& stage_;
  fs::path folder_;
  const std::atomic<bool>& stop_;
};

}  // namespace

int run_worker(const WorkerOptions& options, const StageTable& stages) {
  die_with_parent();
  if (started_by_mpi_launcher() && getppid() == 1) _exit(kExitFailed);  // mpirun is dead already
  const StopWatcher watcher;
  const RunConfig config = read_run_config(options.config_file);
  const Worker worker(options, stages, config, watcher.flag());
  if (config.parallel.world() == 1 && !started_by_mpi_launcher()) {
    return worker.run(*self_communicator());
  }
  return run_in_mpi_world([&](Communicator& world) { return worker.run(world); });
}

}  // namespace peryton
