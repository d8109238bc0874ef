// A trained model as a folder that transformers loads: components as their own architecture,
// hybrids with their modelling code (framework/hybrid/export/README.md).
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

#include "framework/config/stage_config.h"
#include "framework/train/model_store.h"

namespace peryton {

// Writes the weights in full: an exported folder depends on nothing else.
void export_model(const StoredModel& stored, const std::filesystem::path& folder,
                  ExportWeights weights = ExportWeights::kAsTrained);

}  // namespace peryton
