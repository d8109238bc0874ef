// SPDX-License-Identifier: Apache-2.0
#include "framework/checkpoint/model_folder.h"

#include <set>

#include "framework/checkpoint/hash.h"
#include "framework/checkpoint/json_text.h"
#include "framework/core/error.h"

namespace peryton {
namespace {

namespace fs = std::filesystem;

struct WeightFiles {
  std::vector<fs::path> files;
  std::map<std::string, std::string> file_of_name;  // of an index; empty for a single file
  std::string index;                                // its path
};

WeightFiles read_index(const fs::path& folder, const fs::path& index) {
  WeightFiles found;
  found.index = index.string();
  const nlohmann::json json = read_json_file(index);
  const auto map = json.is_object() ? json.find("weight_map") : json.end();
  if (!json.is_object() || map == json.end() || !map->is_object() || map->empty()) {
    fail_input("has no weight_map", index.string());
  }
  std::set<std::string> names;
  for (const auto& item : map->items()) {
    const std::string file = item.value().is_string() ? item.value().get<std::string>() : "";
    // Shards lie beside their index; a path that leads elsewhere is no shard.
    if (file.empty() || fs::path(file).filename() != file || file == "." || file == "..") {
      fail_input(fmt::format("tensor '{}': {} is not a file name", item.key(), item.value().dump()),
                 index.string());
    }
    found.file_of_name[item.key()] = file;
    names.insert(file);
  }
  for (const std::string& name : names) {
    if (!fs::exists(folder / name)) {
      fail_input(fmt::format("names the shard '{}', which is missing", name), index.string(),
                 "download the missing file");
    }
    found.files.push_back(folder / name);
  }
  return found;
}

WeightFiles find_weights(const fs::path& folder) {
  for (const char* base : {"model.safetensors", "pytorch_model.bin"}) {
    if (fs::exists(folder / base)) return {{folder / base}, {}, ""};
    const fs::path index = folder / (std::string(base) + ".index.json");
    if (fs::exists(index)) return read_index(folder, index);
  }
  fail_input("has no weights", folder.string(),
             "expected model.safetensors, model.safetensors.index.json with its shards, or "
             "pytorch_model.bin");
}

}  // namespace

ModelFolder ModelFolder::open(const fs::path& path) {
  if (!fs::is_directory(path)) fail_input("is not a model folder", path.string(), "check the path");
  ModelFolder model;
  model.path_ = path;
  if (!fs::exists(model.config_path())) {
    fail_input("has no config.json", path.string(), "a model folder holds config.json and weights");
  }
  model.config_ = read_json_file(model.config_path());
  if (!model.config_.is_object()) fail_input("is not a JSON object", model.config_path().string());
  WeightFiles weights = find_weights(path);
  model.weight_files_ = weights.files;
  for (const fs::path& file : weights.files) {
    model.files_.push_back(open_tensor_file(file));
    for (const std::string& name : model.files_.back()->names()) {
      if (!model.file_of_name_.emplace(name, model.files_.size() - 1).second) {
        fail_input(fmt::format("tensor '{}' stands in two shards", name), file.string());
      }
    }
  }
  for (const auto& [name, file] : weights.file_of_name) {
    const auto found = model.file_of_name_.find(name);
    if (found == model.file_of_name_.end() || weights.files[found->second].filename() != file) {
      fail_input(fmt::format("tensor '{}' is not in its shard '{}'", name, file), weights.index);
    }
  }
  return model;
}

std::vector<std::string> ModelFolder::names() const {
  std::vector<std::string> names;
  for (const auto& item : file_of_name_) names.push_back(item.first);
  return names;
}

std::optional<fs::path> ModelFolder::tokenizer() const {
  const fs::path file = path_ / "tokenizer.json";
  return fs::exists(file) ? std::optional(file) : std::nullopt;
}

const TensorFile& ModelFolder::file_of(const std::string& name) const {
  const auto found = file_of_name_.find(name);
  if (found == file_of_name_.end())
    fail_input(fmt::format("has no tensor '{}'", name), path_.string());
  return *files_[found->second];
}

const std::string& ModelFolder::content_hash() const {
  if (!content_hash_.empty()) return content_hash_;
  Hasher hasher;
  for (const auto& [name, file] : file_of_name_) {
    const StoredTensor& info = files_[file]->info(name);
    hasher.add(std::string_view(name));
    hasher.add(name_of(info.dtype));
    hasher.add(static_cast<std::int64_t>(info.shape.size()));
    for (const std::int64_t size : info.shape) hasher.add(size);
    files_[file]->visit_bytes(name, [&](std::span<const std::byte> bytes) { hasher.add(bytes); });
  }
  content_hash_ = hasher.hex();
  return content_hash_;
}

}  // namespace peryton
