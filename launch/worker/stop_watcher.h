// A flag that SIGTERM, SIGINT and SIGUSR1 set. A thread takes the signals, so there is no handler
// and nothing global; every thread started after this one inherits the mask.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <csignal>
#include <thread>

namespace peryton {

class StopWatcher {
 public:
  StopWatcher();
  ~StopWatcher();
  StopWatcher(const StopWatcher&) = delete;
  StopWatcher& operator=(const StopWatcher&) = delete;
  const std::atomic<bool>& flag() const { return flag_; }

 private:
  void watch();

  sigset_t watched_, old_mask_;
  std::atomic<bool> flag_{false}, done_{false};
  std::thread thread_;
};

}  // namespace peryton
