// What decides whether a finished stage is still valid: its own part of the configuration and its
// inputs. Folders, logging, thread counts, checkpoint habits and how a batch is cut over ranks do
// not count.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "framework/config/run_config.h"

namespace peryton {

struct StageIdentity {
  nlohmann::json config;  // the part of the configuration that counts; keys sorted
  std::map<std::string, std::string>
      inputs;  // stage or file -> hash of what it gives to this stage
  bool operator==(const StageIdentity&) const = default;
};

nlohmann::json to_json(const StageIdentity& identity);
StageIdentity stage_identity_from_json(const nlohmann::json& json);

// The part of the configuration that decides what the stage makes.
nlohmann::json relevant_config(const RunConfig& config, const StageConfig& stage);

// Hash of a file or of all files of a folder (relative names, sizes, contents). Of a file above 64
// MiB only its size and 64 pieces count. Missing is the user's error.
std::string fingerprint(const std::filesystem::path& path);
// Of the texts and pretrained models that the stage itself reads, by their place.
std::map<std::string, std::string> external_inputs(const RunConfig& config,
                                                   const StageConfig& stage);

// In words: what differs, "its setting 'lr' changed"; empty when nothing does.
std::string difference(const StageIdentity& before, const StageIdentity& now);

}  // namespace peryton
