// A warning that is said once per process however often its cause comes up: a shape that a fast
// path does not cover, for example.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace peryton {

// Logs `message` at the level warning unless it was logged by this function before; true if it was
// logged now. From any thread.
bool warn_once(const std::string& message);

}  // namespace peryton
