// The subcommands of `peryton`. A command is one file launch/cli/<name>_command.cpp and one line in
// commands.cpp.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace peryton {

struct Command {
  std::string name;
  std::string summary;  // one line for the help
  // Arguments after the command's name; returns the exit code; throws Error.
  int (*run)(const std::vector<std::string>& arguments);
};

const std::vector<Command>& commands();

// Runs the named command with the rest of the arguments; prints help; turns exceptions into
// messages and exit codes (0 done, 2 the user's input, 85 saved on a signal, 1 anything else).
int run_command_line(const std::vector<std::string>& arguments);

}  // namespace peryton
