// Which run, and which of its models, a command is about.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

#include "framework/config/run_config.h"

namespace peryton {

// The configuration of a run folder, with its paths made to fit where the folder is now. Not a run
// folder: the user's error.
RunConfig open_run(const std::filesystem::path& folder);

// What the verdict is about: the first row of the first evaluate stage, else the last stage that
// makes a model.
std::string verdict_model(const RunConfig& config);

}  // namespace peryton
