// What a run folder holds, read so that anything missing or damaged is simply absent.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "framework/config/run_config.h"

namespace peryton {

using Json = nlohmann::ordered_json;
using AlphaTable = std::vector<std::vector<double>>;  // [segment][component]

// null when the file is missing or no JSON.
Json read_json_or_null(const std::filesystem::path& file);
// The number of a key, or `fallback` when it is missing, null or no number.
double number_of(const Json& object, const std::string& key, double fallback = 0);
std::optional<double> optional_number_of(const Json& object, const std::string& key);
std::string text_of(const Json& object, const std::string& key, const std::string& fallback = "");
// The object of a key; an empty object when it is missing.
Json object_of(const Json& object, const std::string& key);
// Empty when it is no rectangular table of numbers.
AlphaTable alpha_of(const Json& value);

using Points = std::vector<std::pair<double, double>>;  // (step, value), by rising step

// The curves of one metrics.jsonl.
struct StageCurves {
  Points loss, validation_loss;
  std::vector<std::pair<double, AlphaTable>> alpha;
};
StageCurves read_curves(const std::filesystem::path& stage_folder);

std::filesystem::path stage_folder_of(const std::filesystem::path& run_folder,
                                      const std::string& stage);

// The name of a kind as the YAML writes it.
std::string stage_kind_name(StageKind kind);

// The hybrid's last stage that the verdict's model comes from: the first model of the first row of
// the evaluation, else the last stage that trains the hybrid; null without a hybrid.
const StageConfig* hybrid_stage(const RunConfig& config);

// The stages that lead to `stage` through `after`, the earliest first, `stage` included.
std::vector<const StageConfig*> lineage(const RunConfig& config, const StageConfig& stage);

// The mixture that the hybrid's stage ended with: from its result, else from its last logged step,
// else from the stages before it. Empty when none is known.
AlphaTable final_alpha(const RunConfig& config, const std::filesystem::path& run_folder);

}  // namespace peryton
