// A command with its environment: what is started, and what a dry run prints.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace peryton {

struct CommandLine {
  std::vector<std::string> arguments;                            // [0] is found on PATH
  std::vector<std::pair<std::string, std::string>> environment;  // added to the caller's

  // One line that a shell understands: NAME=value ... program argument ...
  std::string text() const;
};

}  // namespace peryton
