// peryton worker: one rank of a stage. Started by the launcher; nobody types it.
// SPDX-License-Identifier: Apache-2.0
#include "framework/core/error.h"
#include "launch/cli/arguments.h"
#include "launch/cli/run_commands.h"
#include "launch/worker/worker.h"

namespace peryton {

int worker_command(const std::vector<std::string>& arguments) {
  ArgumentSpec spec{"peryton worker --config FILE --stage NAME [--threads N]",
                    options::options_description("options"),
                    {}};
  spec.described.add_options()("config", options::value<std::string>(),
                               "config.resolved.yaml of a run")(
      "stage", options::value<std::string>(), "name of the stage")(
      "threads", options::value<int>()->default_value(1), "threads of this rank");
  const auto values = parse_arguments(arguments, spec);
  if (!values) return 0;
  if (values->count("config") == 0 || values->count("stage") == 0) {
    fail_input("--config and --stage are missing", "", "workers are started by `peryton run`");
  }
  WorkerOptions worker;
  worker.config_file = (*values)["config"].as<std::string>();
  worker.stage = (*values)["stage"].as<std::string>();
  worker.threads = (*values)["threads"].as<int>();
  return run_worker(worker, all_stages());
}

}  // namespace peryton
