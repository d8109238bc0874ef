// The commands about runs.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace peryton {

int run_command(const std::vector<std::string>& arguments);
int status_command(const std::vector<std::string>& arguments);
int worker_command(const std::vector<std::string>& arguments);
int evaluate_command(const std::vector<std::string>& arguments);
int generate_command(const std::vector<std::string>& arguments);
int export_command(const std::vector<std::string>& arguments);

// The running binary.
std::filesystem::path this_program();

}  // namespace peryton
