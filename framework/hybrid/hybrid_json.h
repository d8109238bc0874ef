// hybrid.json: the structure of a hybrid and where its components come from.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "framework/hybrid/hybrid_model.h"

namespace peryton {

struct HybridDescription {
  struct Source {
    std::string name;
    std::filesystem::path folder;  // absolute, or relative to the folder of hybrid.json
    std::string content_hash;
  };
  std::vector<Source> sources;
  std::vector<std::vector<std::int64_t>> boundaries;  // [component][segment + 1]
  std::vector<std::vector<double>> alpha;             // [segment][component]
  std::int64_t width = 0, vocabulary = 0;
  Gate gate = Gate::kTransition;
  ProjectorKind projectors = ProjectorKind::kLinear;
  bool released_code = false;
  bool fresh_embeddings = false;
  bool shared_embeddings = false;  // fresh, and one table for all

  HybridOptions options(DType dtype) const;
};

// Everything but the sources and how the embeddings were made.
HybridDescription describe(const HybridModel& model);
nlohmann::json to_json(const HybridDescription& description);
// `where` names the file in errors.
HybridDescription hybrid_description_from_json(const nlohmann::json& json,
                                               const std::string& where);

// Names as in the configuration: "manticore", "linear_skip", ...
std::string name_of(Gate gate);
std::string name_of(ProjectorKind kind);

}  // namespace peryton
