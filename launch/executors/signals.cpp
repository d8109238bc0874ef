// SPDX-License-Identifier: Apache-2.0
#include "launch/executors/signals.h"

#include <cmath>
#include <ctime>

namespace peryton {

SignalGate::SignalGate() {
  sigemptyset(&watched_);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD}) sigaddset(&watched_, number);
  pthread_sigmask(SIG_BLOCK, &watched_, &old_mask_);
}

SignalGate::~SignalGate() {
  while (take(0)) {  // a stop that nobody took must not kill us now
  }
  pthread_sigmask(SIG_SETMASK, &old_mask_, nullptr);
}

std::optional<int> SignalGate::take(double seconds) {
  timespec time{};
  time.tv_sec = static_cast<time_t>(seconds);
  time.tv_nsec = static_cast<long>((seconds - std::floor(seconds)) * 1e9);
  const int number = sigtimedwait(&watched_, nullptr, &time);
  if (number < 0) return std::nullopt;
  if (number != SIGCHLD) ++stop_requests_;
  return number;
}

}  // namespace peryton
