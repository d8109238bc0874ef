// Starts a worker and stays with it: no worker outlives its launcher, no signal is lost.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "launch/executors/command_line.h"
#include "launch/executors/signals.h"

namespace peryton {

// Starts the command in a process group of its own (so that Ctrl-C reaches only the launcher),
// without standard input, to be killed by the kernel when the calling thread dies. Waits. SIGTERM,
// SIGINT and SIGUSR1 taken meanwhile are handed on to it as SIGUSR1, which mpirun gives to every
// rank at once (its own way with SIGTERM leaves ranks two seconds); from the third on the whole
// group is killed. Returns its exit code, 128 + n after signal n. A program that cannot be started
// is a system error.
int run_process(const CommandLine& command, SignalGate& signals);

// Asks the kernel to kill this process when its parent dies, and ends it at once if that has
// happened already. `launcher` is the process that ought to be the parent; 0: whoever is.
void die_with_parent(int launcher = 0);

}  // namespace peryton
