// Signals of the launcher, taken one at a time instead of in handlers.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <csignal>
#include <optional>

namespace peryton {

// While it lives, SIGTERM, SIGINT, SIGHUP, SIGUSR1 and SIGCHLD wait to be taken. One per process,
// made on the thread that runs the pipeline, before other threads. Children get the old mask back
// (run_process).
class SignalGate {
 public:
  SignalGate();
  ~SignalGate();
  SignalGate(const SignalGate&) = delete;
  SignalGate& operator=(const SignalGate&) = delete;

  // The next signal, waiting up to `seconds` (0: only what is there already).
  std::optional<int> take(double seconds);
  // Whether any of them but SIGCHLD was taken so far.
  bool asked_to_stop() const { return stop_requests_ > 0; }
  int stop_requests() const { return stop_requests_; }
  const sigset_t& old_mask() const { return old_mask_; }

 private:
  sigset_t watched_, old_mask_;
  int stop_requests_ = 0;
};

}  // namespace peryton
