// How a stage's worker is started. There are two today: a child process, and mpirun on this
// machine. A batch system is one more: it makes a script of the same worker command, submits it and
// watches the stage folder, which is why nothing but files passes between the launcher and its
// workers.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "framework/config/run_config.h"
#include "launch/executors/command_line.h"
#include "launch/executors/signals.h"

namespace peryton {

// What an executor needs to know about where it runs.
struct Machine {
  int cores = 1;            // that this process may use
  bool root = false;        // Open MPI wants to be told
  bool single_copy = true;  // ranks may read each other's memory (process_vm_readv)
};
Machine this_machine();

// What a worker is to do.
struct WorkerJob {
  std::filesystem::path program;      // the peryton binary
  std::filesystem::path config_file;  // config.resolved.yaml
  std::string stage;
};

class Executor {
 public:
  virtual ~Executor() = default;
  virtual std::string name() const = 0;
  virtual CommandLine command(const WorkerJob& job) const = 0;
  // Runs the worker to its end and returns its exit code: 0 done, 85 saved on a signal, 2 the
  // user's input, else failed.
  virtual int run(const WorkerJob& job, SignalGate& signals) = 0;
};

// local for a world of one, else mpirun.
std::unique_ptr<Executor> make_executor(const RunConfig& config, const Machine& machine);

// Threads of one rank: as configured, else an equal share of the cores.
int threads_per_rank(const ParallelConfig& parallel, const Machine& machine);
// A world that this machine cannot sensibly hold is the user's error.
void check_world(const RunConfig& config, const Machine& machine);

}  // namespace peryton
