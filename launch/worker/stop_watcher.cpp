// SPDX-License-Identifier: Apache-2.0
#include "launch/worker/stop_watcher.h"

#include <ctime>

namespace peryton {

StopWatcher::StopWatcher() {
  sigemptyset(&watched_);
  for (const int number : {SIGTERM, SIGINT, SIGUSR1}) sigaddset(&watched_, number);
  pthread_sigmask(SIG_BLOCK, &watched_, &old_mask_);
  thread_ = std::thread([this] { watch(); });
}

StopWatcher::~StopWatcher() {
  done_ = true;
  thread_.join();
  pthread_sigmask(SIG_SETMASK, &old_mask_, nullptr);
}

void StopWatcher::watch() {
  const timespec pause{0, 50'000'000};  // how long the end of a worker may wait for this thread
  while (!done_) {
    if (sigtimedwait(&watched_, nullptr, &pause) > 0) flag_ = true;
  }
}

}  // namespace peryton
