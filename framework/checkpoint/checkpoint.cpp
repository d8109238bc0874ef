// SPDX-License-Identifier: Apache-2.0
#include "framework/checkpoint/checkpoint.h"

#include "framework/checkpoint/hash.h"
#include "framework/checkpoint/json_text.h"
#include "framework/checkpoint/manifest.h"

namespace peryton {

Checkpoint Checkpoint::open(const std::filesystem::path& folder) {
  const CheckpointManifest manifest = read_manifest(folder);
  check_files(folder, manifest, /*contents=*/true);
  Checkpoint checkpoint;
  checkpoint.folder_ = folder;
  checkpoint.step_ = manifest.step;
  checkpoint.metric_ = manifest.metric;
  checkpoint.state_ = read_json_file(folder / "state.json");
  Hasher hasher;
  for (const auto& file : manifest.files) {
    if (!file.name.ends_with(".safetensors")) continue;
    hasher.add(std::string_view(file.name));
    hasher.add(std::string_view(file.xxh3));
    checkpoint.parts_.push_back(
        std::make_shared<SafetensorsFile>(SafetensorsFile::open(folder / file.name)));
    for (const std::string& name : checkpoint.parts_.back()->names()) {
      if (!checkpoint.part_of_name_.emplace(name, checkpoint.parts_.size() - 1).second) {
        fail_input(fmt::format("tensor '{}' stands in two parts", name), folder.string());
      }
    }
  }
  checkpoint.content_hash_ = hasher.hex();
  return checkpoint;
}

std::vector<std::string> Checkpoint::names() const {
  std::vector<std::string> names;
  for (const auto& item : part_of_name_) names.push_back(item.first);
  return names;
}

const StoredTensor& Checkpoint::info(const std::string& name) const {
  return part(name).info(name);
}

Tensor Checkpoint::load(const std::string& name, std::optional<DType> as) const {
  return part(name).load(name, as);
}

const SafetensorsFile& Checkpoint::part(const std::string& name) const {
  const auto found = part_of_name_.find(name);
  if (found == part_of_name_.end()) {
    fail_input(fmt::format("the checkpoint has no tensor '{}'", name), folder_.string(),
               "it was written by another model or another version of the configuration");
  }
  return *parts_[found->second];
}

}  // namespace peryton
