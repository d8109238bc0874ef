// The models that a run has made: components and hybrids in its stage folders.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

#include "framework/families/registry.h"

namespace peryton {

bool is_run_folder(const std::filesystem::path& folder);
bool is_hybrid_folder(const std::filesystem::path& folder);  // holds hybrid.json
bool is_checkpoint_folder(
    const std::filesystem::path& folder);  // holds manifest.json and state.json

// Parts, segments and mixture weights of a hybrid.json.
std::string hybrid_text(const std::filesystem::path& folder);
// Step, metric and tensors of a training checkpoint; a damaged one is the user's error.
std::string checkpoint_text(const std::filesystem::path& folder);
// Every stage's model in turn; a stage without one, or with a damaged one, is named as such.
std::string run_text(const std::filesystem::path& folder, const FamilyRegistry& registry);

}  // namespace peryton
