// manifest.json of a training checkpoint: what its files must be. It carries a checksum of itself,
// so damage to it is seen too. Inner part of checkpoint.h.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "framework/checkpoint/files.h"

namespace peryton {

struct CheckpointManifest {
  struct File {
    std::string name;
    std::int64_t bytes = 0;
    std::string xxh3;
  };
  std::int64_t step = 0;
  std::optional<double> metric;
  std::vector<std::int64_t> refers_to;
  std::vector<File> files;
};

// Sizes and checksums of the files that are in `folder` now, sorted by name.
std::vector<CheckpointManifest::File> describe_files(const std::filesystem::path& folder);
void write_manifest(const std::filesystem::path& folder, const CheckpointManifest& manifest,
                    const FaultPoint& at_point);
// Missing, malformed or damaged: the user's error.
CheckpointManifest read_manifest(const std::filesystem::path& folder);
// Every file is there with its size; with `contents`, also with its checksum. Else the user's
// error.
void check_files(const std::filesystem::path& folder, const CheckpointManifest& manifest,
                 bool contents);

}  // namespace peryton
