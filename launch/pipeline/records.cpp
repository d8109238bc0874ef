// SPDX-License-Identifier: Apache-2.0
#include "launch/pipeline/records.h"

#include <algorithm>
#include <fstream>

#include "framework/checkpoint/files.h"
#include "framework/checkpoint/hash.h"
#include "framework/config/enum_names.h"
#include "framework/core/error.h"

namespace peryton {
namespace {

namespace fs = std::filesystem;

std::optional<nlohmann::json> read_json(const fs::path& file) {
  std::ifstream stream(file);
  if (!stream) return std::nullopt;
  nlohmann::json json = nlohmann::json::parse(stream, nullptr, false);
  if (json.is_discarded()) return std::nullopt;
  return json;
}

std::vector<fs::path> files_of(const fs::path& path) {
  if (!fs::is_directory(path)) return {path};
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(path)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

fs::path stages_folder(const fs::path& run_folder) { return run_folder / "stages"; }

void write_state(const fs::path& stage_folder, const StageState& state) {
  const nlohmann::json json = {
      {"status", state.status}, {"reason", state.reason}, {"identity", to_json(state.identity)}};
  atomic_write_file(stage_folder / "state.json", json.dump(2) + "\n");
}

std::optional<StageState> read_state(const fs::path& stage_folder) {
  const auto json = read_json(stage_folder / "state.json");
  if (!json) return std::nullopt;
  try {
    return StageState{json->at("status"), json->at("reason"),
                      stage_identity_from_json(json->at("identity"))};
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

StageManifest make_stage_manifest(const fs::path& stage_folder, const StageIdentity& identity,
                                  const StageResult& result) {
  StageManifest manifest;
  manifest.identity = identity;
  manifest.tokens = result.tokens;
  manifest.flops = result.flops;
  manifest.seconds = result.seconds;
  Hasher hasher;
  for (const std::string& output : result.outputs) {
    for (const fs::path& file : files_of(stage_folder / output)) {
      if (!fs::exists(file))
        fail_system("a stage promised this output and did not write it", file.string());
      const std::string name = fs::relative(file, stage_folder).string();
      manifest.outputs.push_back({name, static_cast<std::int64_t>(fs::file_size(file))});
      hasher.add(std::string_view(name));
      hasher.add(std::string_view(hash_file(file)));
    }
  }
  manifest.output_hash = hasher.hex();
  return manifest;
}

void write_stage_manifest(const fs::path& stage_folder, const StageConfig& stage,
                          const StageManifest& manifest) {
  nlohmann::json outputs = nlohmann::json::array();
  for (const OutputFile& file : manifest.outputs) {
    outputs.push_back({{"path", file.path}, {"size", file.size}});
  }
  const nlohmann::json json = {{"name", stage.name},
                               {"kind", name_of(stage.kind)},
                               {"status", "done"},
                               {"identity", to_json(manifest.identity)},
                               {"output_hash", manifest.output_hash},
                               {"outputs", outputs},
                               {"tokens", manifest.tokens},
                               {"flops", manifest.flops},
                               {"seconds", manifest.seconds},
                               {"cores", manifest.cores}};
  atomic_write_file(stage_folder / "manifest.json", json.dump(2) + "\n");
}

std::optional<StageManifest> read_stage_manifest(const fs::path& stage_folder) {
  const auto json = read_json(stage_folder / "manifest.json");
  if (!json) return std::nullopt;
  try {
    StageManifest manifest;
    manifest.identity = stage_identity_from_json(json->at("identity"));
    manifest.output_hash = json->at("output_hash");
    for (const auto& file : json->at("outputs")) {
      manifest.outputs.push_back({file.at("path"), file.at("size")});
    }
    manifest.tokens = json->at("tokens");
    manifest.flops = json->at("flops").is_null() ? 0.0 : json->at("flops").get<double>();
    manifest.seconds = json->at("seconds");
    manifest.cores = json->at("cores");
    return manifest;
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

std::string missing_output(const fs::path& stage_folder, const StageManifest& manifest) {
  for (const OutputFile& file : manifest.outputs) {
    std::error_code error;
    const auto size = fs::file_size(stage_folder / file.path, error);
    if (error || static_cast<std::int64_t>(size) != file.size) return file.path;
  }
  return "";
}

}  // namespace peryton
