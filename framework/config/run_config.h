// The whole YAML of a pipeline as plain structs, complete and checked. Everything below launch/
// reads this and never YAML.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "framework/config/hybrid_config.h"
#include "framework/config/stage_config.h"
#include "framework/config/train_config.h"
#include "framework/data/data_settings.h"

namespace peryton {

struct RunSettings {
  std::string name;
  std::uint64_t seed = 0;
  std::filesystem::path folder;  // absolute; default runs/<name> below the current folder
};

struct ParallelConfig {
  std::int64_t data = 1, component = 1, tensor = 1;
  std::int64_t threads = 0;  // per rank; 0: cores / ranks on this machine, at least 1
  std::int64_t world() const { return data * component * tensor; }
};

struct ReportConfig {
  std::string title;  // empty: the run's name
};

struct RunConfig {
  RunSettings run;
  DataSettings data;                        // paths absolute
  std::vector<ComponentConfig> components;  // in the order written
  HybridConfig hybrid;
  ParallelConfig parallel;
  TrainConfig train;  // the defaults; stages carry their own complete copy
  std::vector<StageConfig>
      stages;  // in the order written, "data" first; every stage after what it needs
  ReportConfig report;

  bool has_hybrid() const { return hybrid.components.size() >= 2; }
  const ComponentConfig& component(const std::string& name) const;  // unknown: internal error
  const StageConfig& stage(const std::string& name) const;          // unknown: internal error
};

// Reads, fills in defaults, checks everything that can be checked without opening model files.
// Throws Error kUserInput naming file:line:column, key and nearest valid name. `overrides` are
// "a.b=c" of --set, applied in order to the text before anything is read.
RunConfig read_run_config(const std::filesystem::path& file,
                          const std::vector<std::string>& overrides = {});
// The same from text; `name` stands for the file in errors.
RunConfig parse_run_config(const std::string& text, const std::string& name,
                           const std::vector<std::string>& overrides = {});

// YAML with every default written out, which parse_run_config reads back to the same configuration.
std::string resolved_yaml(const RunConfig& config);

}  // namespace peryton
