// The worlds of ranks: threads of this process (tests) and MPI processes.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

#include "framework/comm/communicator.h"

namespace peryton {

// Runs body(communicator) on `ranks` threads and waits for all. If one throws, the others' waits
// throw too, and the first failure is rethrown here. `body` runs concurrently with itself.
void run_ranks(int ranks, const std::function<void(Communicator&)>& body);

// Whether mpirun or srun (with PMI) started this process as one of several ranks or as the only
// one.
bool started_by_mpi_launcher();

// Initialises MPI, runs body(world) on this process's rank, finalises, and returns what body
// returned. An exception from body is printed with the rank and aborts every rank with the error's
// exit code. Call at most once per process. Without MPI in the build: an Error that says so.
int run_in_mpi_world(const std::function<int(Communicator&)>& body);

}  // namespace peryton
