// A worker and a launcher whose stages only sleep, fail or write a line: for trials of signals and
// kills. Each rank writes its process id to pid-<rank> of the stage's folder. PERYTON_STAND_IN says
// what stages do.
//   stand_in run CONFIG | stand_in worker --config FILE --stage NAME --threads N
// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string>
#include <thread>

#include "framework/comm/communicator.h"
#include "framework/config/enum_names.h"
#include "framework/core/error.h"
#include "launch/executors/executor.h"
#include "launch/pipeline/pipeline.h"
#include "launch/worker/worker.h"

namespace peryton {
namespace {

StageResult sleep_until_stopped(StageContext& context) {
  while (context.world.max(std::int64_t{context.stop}) == 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  StageResult result;
  result.status = StageStatus::kStopped;
  return result;
}

StageResult run_stage(StageContext& context) {
  const int rank = context.world.rank();
  std::ofstream(context.stage_folder / ("pid-" + std::to_string(rank))) << getpid() << std::endl;
  const char* word = std::getenv("PERYTON_STAND_IN");
  const std::string what = word == nullptr ? "" : word;
  if (what == "sleep") return sleep_until_stopped(context);
  const bool last = rank + 1 == context.world.size();
  if (what == "fail" && last) throw std::runtime_error("broken on purpose");
  if (what == "input" && last) fail_input("bad on purpose", "text.txt:3");
  context.world.barrier();
  StageResult result;
  result.outputs = {"out.txt"};
  result.tokens = context.world.sum(std::int64_t{1});
  if (rank == 0) std::ofstream(context.stage_folder / "out.txt") << context.stage.name;
  return result;
}

StageTable table() {
  StageTable stages;
  stages.add(StageKind::kData, run_stage);
  for (const auto& [name, kind] : names_of(StageKind{})) stages.add(kind, run_stage);
  return stages;
}

int launch(const std::string& file) {
  const RunConfig config = read_run_config(file);
  SignalGate signals;
  PipelineOptions options;
  options.program = std::filesystem::read_symlink("/proc/self/exe");
  options.say = [](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); };
  return run_pipeline(config, *make_executor(config, this_machine()), signals, options);
}

int run(const std::vector<std::string>& arguments) {
  if (arguments.at(0) == "run") return launch(arguments.at(1));
  return run_worker({arguments.at(2), arguments.at(4), std::stoi(arguments.at(6))}, table());
}

}  // namespace
}  // namespace peryton

int main(int argc, char** argv) {
  try {
    return peryton::run({argv + 1, argv + argc});
  } catch (const peryton::Error& error) {
    std::fprintf(stderr, "stand_in: %s\n", error.what());
    return error.exit_code();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "stand_in: %s\n", error.what());
    return 1;
  }
}
