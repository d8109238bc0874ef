// SPDX-License-Identifier: Apache-2.0
#include "framework/core/warn_once.h"

#include <spdlog/spdlog.h>

#include <mutex>
#include <set>

namespace peryton {
namespace {

// Process-wide by nature, like the log; nothing reads it to decide.
struct Said {
  std::mutex mutex;
  std::set<std::string> messages;
};

Said& said() {
  static Said instance;
  return instance;
}

}  // namespace

bool warn_once(const std::string& message) {
  {
    const std::lock_guard lock(said().mutex);
    if (!said().messages.insert(message).second) return false;
  }
  spdlog::warn("{}", message);
  return true;
}

}  // namespace peryton
