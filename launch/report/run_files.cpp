// SPDX-License-Identifier: Apache-2.0
#include "launch/report/run_files.h"

#include <algorithm>
#include <fstream>

#include "framework/config/enum_names.h"

namespace peryton {

namespace fs = std::filesystem;

Json read_json_or_null(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream) return nullptr;
  Json json = Json::parse(stream, nullptr, false);
  return json.is_discarded() ? Json(nullptr) : json;
}

std::optional<double> optional_number_of(const Json& object, const std::string& key) {
  if (!object.is_object()) return std::nullopt;
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number()) return std::nullopt;
  return found->get<double>();
}

double number_of(const Json& object, const std::string& key, double fallback) {
  return optional_number_of(object, key).value_or(fallback);
}

std::string text_of(const Json& object, const std::string& key, const std::string& fallback) {
  if (!object.is_object()) return fallback;
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : fallback;
}

Json object_of(const Json& object, const std::string& key) {
  if (!object.is_object()) return Json::object();
  const auto found = object.find(key);
  return found != object.end() && found->is_object() ? *found : Json::object();
}

AlphaTable alpha_of(const Json& value) {
  AlphaTable table;
  if (!value.is_array()) return table;
  for (const Json& row : value) {
    if (!row.is_array() || row.empty() || (!table.empty() && row.size() != table[0].size()))
      return {};
    std::vector<double>& numbers = table.emplace_back();
    for (const Json& number : row) {
      if (!number.is_number()) return {};
      numbers.push_back(number.get<double>());
    }
  }
  return table;
}

StageCurves read_curves(const fs::path& stage_folder) {
  StageCurves curves;
  std::ifstream file(stage_folder / "metrics.jsonl", std::ios::binary);
  std::string line;
  while (std::getline(file, line)) {
    const Json record = Json::parse(line, nullptr, false);
    const auto step = optional_number_of(record, "step");
    if (!step) continue;
    if (const auto loss = optional_number_of(record, "loss"))
      curves.loss.emplace_back(*step, *loss);
    if (const auto loss = optional_number_of(record, "validation_loss")) {
      curves.validation_loss.emplace_back(*step, *loss);
    }
    if (!record.contains("alpha")) continue;
    AlphaTable alpha = alpha_of(record["alpha"]);
    if (!alpha.empty()) curves.alpha.emplace_back(*step, std::move(alpha));
  }
  return curves;
}

fs::path stage_folder_of(const fs::path& run_folder, const std::string& stage) {
  return run_folder / "stages" / stage;
}

std::string stage_kind_name(StageKind kind) { return name_of(kind); }

namespace {

const StageConfig* find_stage(const RunConfig& config, const std::string& name) {
  const auto found = std::find_if(config.stages.begin(), config.stages.end(),
                                  [&](const StageConfig& stage) { return stage.name == name; });
  return found == config.stages.end() ? nullptr : &*found;
}

AlphaTable ended_alpha(const fs::path& stage_folder) {
  const Json result = read_json_or_null(stage_folder / "result.json");
  const Json extra = object_of(result, "extra");
  if (extra.contains("alpha")) {
    AlphaTable alpha = alpha_of(extra["alpha"]);
    if (!alpha.empty()) return alpha;
  }
  const StageCurves curves = read_curves(stage_folder);
  return curves.alpha.empty() ? AlphaTable() : curves.alpha.back().second;
}

}  // namespace

const StageConfig* hybrid_stage(const RunConfig& config) {
  if (!config.has_hybrid()) return nullptr;
  for (const StageConfig& stage : config.stages) {
    const auto& rows = stage.evaluate.rows;
    if (stage.kind != StageKind::kEvaluate || rows.empty() || rows[0].models.empty()) continue;
    const StageConfig* model = find_stage(config, rows[0].models[0]);
    if (model != nullptr && model->model == kHybridModel) return model;
  }
  const auto last = std::find_if(config.stages.rbegin(), config.stages.rend(),
                                 [](const StageConfig& s) { return s.model == kHybridModel; });
  return last == config.stages.rend() ? nullptr : &*last;
}

std::vector<const StageConfig*> lineage(const RunConfig& config, const StageConfig& stage) {
  std::vector<const StageConfig*> stages = {&stage};
  while (!stages.back()->after.empty() && stages.size() <= config.stages.size()) {
    const StageConfig* before = find_stage(config, stages.back()->after);
    if (before == nullptr) break;
    stages.push_back(before);
  }
  std::reverse(stages.begin(), stages.end());
  return stages;
}

AlphaTable final_alpha(const RunConfig& config, const fs::path& run_folder) {
  const StageConfig* stage = hybrid_stage(config);
  if (stage == nullptr) return {};
  const auto stages = lineage(config, *stage);
  for (auto it = stages.rbegin(); it != stages.rend(); ++it) {
    AlphaTable alpha = ended_alpha(stage_folder_of(run_folder, (*it)->name));
    if (!alpha.empty()) return alpha;
  }
  return {};
}

}  // namespace peryton
