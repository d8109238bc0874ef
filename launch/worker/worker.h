// One rank of a stage: what `peryton worker` does under the launcher or mpirun.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

#include "framework/train/stage.h"

namespace peryton {

struct WorkerOptions {
  std::filesystem::path config_file;  // config.resolved.yaml
  std::string stage;
  int threads = 1;
};

// Runs the stage on this rank and all others; rank 0 writes result.json last. Returns 0, or 85 when
// a signal stopped it after a save. Dies with its launcher. Throws Error when alone; as a rank of
// several it aborts all. Call it once per process, before any other thread exists.
int run_worker(const WorkerOptions& options, const StageTable& stages);

}  // namespace peryton
