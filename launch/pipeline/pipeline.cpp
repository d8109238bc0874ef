// SPDX-License-Identifier: Apache-2.0
#include "launch/pipeline/pipeline.h"

#include <fmt/format.h>

#include <chrono>

#include "framework/checkpoint/files.h"
#include "framework/core/error.h"
#include "launch/pipeline/decision.h"
#include "launch/pipeline/failure.h"

namespace peryton {
namespace {

namespace fs = std::filesystem;

class Pipeline {
 public:
  Pipeline(const RunConfig& config, Executor& executor, SignalGate& signals,
           const PipelineOptions& options)
      : config_(config), executor_(executor), signals_(signals), options_(options) {}

  int run() {
    for (std::size_t i = 0; i < config_.stages.size(); ++i) {
      take_pending_signals();
      if (signals_.asked_to_stop()) return kExitStopped;
      place_ = fmt::format("[{}/{}]", i + 1, config_.stages.size());
      const int code = step(config_.stages[i]);
      if (ran_ || code != kExitDone) report();
      if (code != kExitDone) return code;
    }
    report();
    return kExitDone;
  }

 private:
  using Action = Decision::Action;

  int step(const StageConfig& stage) {
    const Decision decision = decide(config_, stage, config_.run.folder);
    ran_ = decision.action != Action::kSkip;
    if (!ran_) {
      say(fmt::format("{} {}: done already", place_, stage.name));
      return kExitDone;
    }
    const fs::path folder = stages_folder(config_.run.folder) / stage.name;
    prepare(folder, decision);
    say(fmt::format("{} {}: {} ({})", place_, stage.name,
                    decision.action == Action::kResume ? "going on" : "running", decision.reason));
    const auto start = std::chrono::steady_clock::now();
    const int code = executor_.run(job(stage), signals_);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    return code == 0 ? finish(stage, folder, decision, seconds.count())
                     : stop(stage, folder, decision, code);
  }

  WorkerJob job(const StageConfig& stage) const {
    return {options_.program, config_.run.folder / "config.resolved.yaml", stage.name};
  }

  void prepare(const fs::path& folder, const Decision& decision) {
    // What another configuration or other inputs left must not be resumed.
    if (decision.action == Action::kStart) fs::remove_all(folder);
    make_folder(folder / "log");
    fs::remove(folder / "result.json");
    forget_failures(folder);
    write_state(folder, {"running", "", decision.identity});
  }

  int finish(const StageConfig& stage, const fs::path& folder, const Decision& decision,
             double seconds) {
    const StageResult result = read_stage_result(folder);
    StageManifest manifest = make_stage_manifest(folder, decision.identity, result);
    if (manifest.seconds <= 0) manifest.seconds = seconds;
    manifest.cores = static_cast<double>(config_.parallel.world() *
                                         threads_per_rank(config_.parallel, this_machine()));
    write_stage_manifest(folder, stage, manifest);
    fs::remove(folder / "state.json");
    say(fmt::format("{} {}: done in {:.1f} s", place_, stage.name, manifest.seconds));
    return kExitDone;
  }

  int stop(const StageConfig& stage, const fs::path& folder, const Decision& decision, int code) {
    // A worker that a signal found before it could listen dies of it, and has lost nothing.
    const bool died_of_it = code == 128 + SIGUSR1 || code == 128 + SIGTERM;
    if (code == kExitStopped || (signals_.asked_to_stop() && died_of_it)) {
      write_state(folder, {"stopped", "", decision.identity});
      say(fmt::format("{} {}: saved and stopped; the same command goes on", place_, stage.name));
      return kExitStopped;
    }
    const Failure failure = explain_failure(folder, code);
    write_state(folder, {"failed", failure.message, decision.identity});
    say(fmt::format("{} {}: failed: {}\n  logs: {}", place_, stage.name, failure.message,
                    (folder / "log").string()));
    return failure.user_input ? kExitUserInput : kExitFailed;
  }

  void take_pending_signals() {
    while (signals_.take(0)) {
    }
  }

  void report() {
    if (!options_.after_stage) return;
    try {
      options_.after_stage(config_, config_.run.folder);
    } catch (const std::exception& error) {
      say(std::string("warning: the report could not be written: ") + error.what());
    }
  }

  void say(const std::string& line) const {
    if (options_.say) options_.say(line);
  }

  const RunConfig& config_;
  Executor& executor_;
  SignalGate& signals_;
  const PipelineOptions& options_;
  std::string place_;
  bool ran_ = false;
};

}  // namespace

int run_pipeline(const RunConfig& config, Executor& executor, SignalGate& signals,
                 const PipelineOptions& options) {
  make_folder(config.run.folder);
  const FolderLock lock(config.run.folder);
  atomic_write_file(config.run.folder / "config.resolved.yaml", resolved_yaml(config));
  return Pipeline(config, executor, signals, options).run();
}

}  // namespace peryton
