// report.html: one page about a run that opens anywhere, with no script and nothing from the
// network.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

#include "framework/config/run_config.h"

namespace peryton {

// The page; whatever is missing in the folder is missing in it, or said to be missing.
std::string report_page(const RunConfig& config, const std::filesystem::path& run_folder);

// Writes summary.json and report.html into the folder, each whole or not at all. Call it after
// every stage.
void write_report(const RunConfig& config, const std::filesystem::path& run_folder);

}  // namespace peryton
