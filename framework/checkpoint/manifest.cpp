// SPDX-License-Identifier: Apache-2.0
#include "framework/checkpoint/manifest.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "framework/checkpoint/hash.h"
#include "framework/checkpoint/json_text.h"
#include "framework/core/error.h"

namespace peryton {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr const char* kFormat = "peryton-checkpoint";
constexpr int kVersion = 1;

fs::path manifest_path(const fs::path& folder) { return folder / "manifest.json"; }

// Of everything but the checksum itself.
std::string self_checksum(Json json) {
  json.erase("checksum");
  return hash_text(json.dump());
}

CheckpointManifest from_json(const Json& json) {
  CheckpointManifest manifest;
  json.at("step").get_to(manifest.step);
  json.at("refers_to").get_to(manifest.refers_to);
  if (!json.at("metric").is_null()) manifest.metric = json.at("metric").get<double>();
  for (const Json& file : json.at("files")) {
    manifest.files.push_back({file.at("name"), file.at("bytes"), file.at("xxh3")});
  }
  return manifest;
}

}  // namespace

std::vector<CheckpointManifest::File> describe_files(const fs::path& folder) {
  std::vector<CheckpointManifest::File> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(".") || name == "manifest.json") continue;
    files.push_back({name, static_cast<std::int64_t>(entry.file_size()), hash_file(entry.path())});
  }
  std::ranges::sort(files, {}, &CheckpointManifest::File::name);
  return files;
}

void write_manifest(const fs::path& folder, const CheckpointManifest& manifest,
                    const FaultPoint& at_point) {
  Json json = {{"format", kFormat},
               {"version", kVersion},
               {"step", manifest.step},
               {"metric", manifest.metric ? Json(*manifest.metric) : Json()},
               {"refers_to", manifest.refers_to},
               {"files", Json::array()}};
  for (const auto& file : manifest.files) {
    json["files"].push_back({{"name", file.name}, {"bytes", file.bytes}, {"xxh3", file.xxh3}});
  }
  json["checksum"] = self_checksum(json);
  const std::string text = json_to_text(json);
  AtomicFile file(manifest_path(folder));
  file.write(std::string_view(text).substr(0, text.size() / 2));
  reach(at_point, "manifest-half");
  file.write(std::string_view(text).substr(text.size() / 2));
  file.commit(at_point);
}

CheckpointManifest read_manifest(const fs::path& folder) {
  const fs::path path = manifest_path(folder);
  const Json json = read_json_file(path);
  if (!json.is_object() || json.value("format", Json()) != kFormat) {
    fail_input("is not the manifest of a checkpoint", path.string());
  }
  if (json.value("version", Json()) != kVersion) {
    fail_input(fmt::format("has version {}; this program reads version {}",
                           json.value("version", Json()).dump(), kVersion),
               path.string());
  }
  if (json.value("checksum", Json()) != self_checksum(json)) {
    fail_input("is damaged: its checksum is wrong", path.string());
  }
  try {
    return from_json(json);
  } catch (const Json::exception& error) {
    fail_input(fmt::format("is malformed: {}", error.what()), path.string());
  }
}

void check_files(const fs::path& folder, const CheckpointManifest& manifest, bool contents) {
  for (const auto& file : manifest.files) {
    const fs::path path = folder / file.name;
    std::error_code error;
    const auto bytes = fs::file_size(path, error);
    if (error) fail_input("is missing: " + error.message(), path.string());
    if (static_cast<std::int64_t>(bytes) != file.bytes) {
      fail_input(fmt::format("has {} bytes, not {}", bytes, file.bytes), path.string());
    }
    if (contents && hash_file(path) != file.xxh3) {
      fail_input("is damaged: its checksum is wrong", path.string());
    }
  }
}

}  // namespace peryton
