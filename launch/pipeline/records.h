// The two records that the launcher keeps in a stage's folder: state.json while it is not done
// (what was started there, so that only the same thing is resumed), and manifest.json when it is,
// written last.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "framework/train/stage.h"
#include "launch/pipeline/identity.h"

namespace peryton {

std::filesystem::path stages_folder(const std::filesystem::path& run_folder);

struct StageState {
  std::string status;  // running, stopped, failed
  std::string reason;  // of a failure
  StageIdentity identity;
};
void write_state(const std::filesystem::path& stage_folder, const StageState& state);
// nullopt: none, or not readable.
std::optional<StageState> read_state(const std::filesystem::path& stage_folder);

struct OutputFile {
  std::string path;  // relative to the stage folder
  std::int64_t size = 0;
};

struct StageManifest {
  StageIdentity identity;
  std::string output_hash;
  std::vector<OutputFile> outputs;
  std::int64_t tokens = 0;
  double flops = 0;
  double seconds = 0;
  double cores = 0;
};

// From a finished stage's result; hashes the outputs. An output that is missing is a system error.
StageManifest make_stage_manifest(const std::filesystem::path& stage_folder,
                                  const StageIdentity& identity, const StageResult& result);
void write_stage_manifest(const std::filesystem::path& stage_folder, const StageConfig& stage,
                          const StageManifest& manifest);
std::optional<StageManifest> read_stage_manifest(const std::filesystem::path& stage_folder);
// The first output that is missing or has another size; empty: all there.
std::string missing_output(const std::filesystem::path& stage_folder,
                           const StageManifest& manifest);

}  // namespace peryton
