// Why a worker failed. An exit code cannot say which rank failed or why, so every rank that can
// still write leaves a small file in the stage's log folder.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

namespace peryton {

struct Failure {
  std::string message;
  bool user_input = false;
  int rank = -1;  // -1: nobody said
};

// Called by a rank before it dies; never throws.
void record_failure(const std::filesystem::path& stage_folder, int rank, const std::string& message,
                    bool user_input) noexcept;
void forget_failures(const std::filesystem::path& stage_folder);
// The user's mistake if a rank says so, else the first rank's word, else what the exit code means.
Failure explain_failure(const std::filesystem::path& stage_folder, int exit_code);

}  // namespace peryton
