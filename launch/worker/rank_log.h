// One log file per rank.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

namespace peryton {

// Makes log/rank-<rank>.txt of the stage's folder the default spdlog logger's file, appending to
// what an earlier try wrote. Rank 0 also shows warnings on the console; the other ranks' standard
// output and error go to their file, so that the console shows one rank only.
void open_rank_log(const std::filesystem::path& stage_folder, int rank);

}  // namespace peryton
