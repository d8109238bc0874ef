// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>
#include <vector>

#include "framework/checkpoint/files.h"
#include "framework/checkpoint/json_text.h"
#include "framework/checkpoint/safetensors.h"
#include "framework/core/error.h"
#include "framework/families/gguf/architecture.h"
#include "framework/families/gguf/changes.h"
#include "framework/families/gguf/tokenizer.h"
#include "framework/families/gguf_import.h"

namespace peryton {
namespace {

namespace fs = std::filesystem;
using namespace gguf;  // NOLINT: this is its entrance

// Whether `name` is `pattern` with a number for '#'; that number goes to `block`.
bool matches(std::string_view name, std::string_view pattern, std::string& block) {
  const std::size_t mark = pattern.find('#');
  if (mark == std::string_view::npos) return name == pattern;
  const std::string_view head = pattern.substr(0, mark), tail = pattern.substr(mark + 1);
  if (!name.starts_with(head)) return false;
  const std::size_t end = name.find_first_not_of("0123456789", mark);
  if (end == mark || end == std::string_view::npos || name.substr(end) != tail) return false;
  block = name.substr(mark, end - mark);
  return true;
}

struct Item {
  std::string file_name, name;
  Change change;
  std::int64_t bytes;  // once written
};

bool is_ignored(const Architecture& architecture, const std::string& name) {
  std::string block;
  for (const char* pattern : architecture.ignored) {
    if (matches(name, pattern, block)) return true;
  }
  return false;
}

std::string folder_name(const char* pattern, const std::string& block) {
  std::string name = pattern;
  const std::size_t mark = name.find('#');
  if (mark != std::string::npos) name.replace(mark, 1, block);
  return name;
}

std::vector<Item> plan(const GgufFile& file, const Architecture& architecture, DType dtype) {
  std::vector<Item> items;
  std::string unknown;
  for (const auto& [name, tensor] : file.tensors()) {
    if (is_ignored(architecture, name)) continue;
    std::string block;
    const WeightName* found = nullptr;
    for (const WeightName& weight : architecture.weights) {
      if (matches(name, weight.file, block)) found = &weight;
    }
    if (found == nullptr) {
      unknown += fmt::format("\n  {} {}", name, shape_text(tensor.shape));
      continue;
    }
    items.push_back({name, folder_name(found->folder, block), found->change,
                     tensor.elements() * size_of(dtype)});
  }
  if (!unknown.empty()) {
    fail_input(
        fmt::format("has tensors that a {} model does not have:{}", architecture.name, unknown),
        file.where());
  }
  if (items.empty()) fail_input("has no weights, only metadata", file.where());
  return items;
}

std::vector<std::vector<Item>> shards_of(const std::vector<Item>& items, std::int64_t most) {
  std::vector<std::vector<Item>> shards(1);
  std::int64_t bytes = 0;
  for (const Item& item : items) {
    if (!shards.back().empty() && bytes + item.bytes > most) {
      shards.emplace_back();
      bytes = 0;
    }
    shards.back().push_back(item);
    bytes += item.bytes;
  }
  return shards;
}

void write_shard(const GgufFile& file, const Settings& settings, const std::vector<Item>& items,
                 const fs::path& path, DType dtype) {
  std::vector<NamedTensor> tensors;
  for (const Item& item : items) {
    const std::string place = fmt::format("{}, tensor '{}'", file.where(), item.file_name);
    const Tensor value = file.load(item.file_name, dtype);
    tensors.push_back({item.name, changed(value, item.change, settings, place)});
  }
  write_safetensors(path, tensors);
}

void write_weights(const GgufFile& file, const Settings& settings, const std::vector<Item>& items,
                   const fs::path& folder, const GgufImportSettings& how) {
  const auto shards = shards_of(items, how.shard_bytes);
  if (shards.size() == 1) {
    return write_shard(file, settings, items, folder / "model.safetensors", how.dtype);
  }
  nlohmann::json index;
  std::int64_t bytes = 0;
  for (std::size_t i = 0; i < shards.size(); ++i) {
    const std::string name = fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
    write_shard(file, settings, shards[i], folder / name, how.dtype);
    for (const Item& item : shards[i]) {
      index["weight_map"][item.name] = name;
      bytes += item.bytes;
    }
  }
  index["metadata"]["total_size"] = bytes;
  atomic_write_file(folder / "model.safetensors.index.json", json_to_text(index));
}

void make_empty_folder(const fs::path& folder) {
  if (fs::exists(folder) && (!fs::is_directory(folder) || !fs::is_empty(folder))) {
    fail_input("is there already and not an empty folder", folder.string(),
               "choose another one, or remove it");
  }
  make_folder(folder);
}

}  // namespace

GgufImportResult import_gguf(const fs::path& path, const fs::path& folder,
                             const GgufImportSettings& how) {
  const GgufFile file = GgufFile::open(path);
  if (file.integer("split.count").value_or(1) > 1) {
    fail_input("is one part of a model that is split over several files", path.string(),
               "join them first with llama.cpp's `llama-gguf-split --merge`");
  }
  const Architecture& architecture = architecture_of(file);
  const Settings settings(file, architecture.name);
  // Everything that can be wrong with the metadata shows before a byte is written.
  const std::vector<Item> items = plan(file, architecture, how.dtype);
  nlohmann::json config = architecture.config(settings);
  config["torch_dtype"] = name_of(how.dtype);
  const auto tokenizer = how.tokenizer ? tokenizer_of(file, architecture) : std::nullopt;

  make_empty_folder(folder);
  write_weights(file, settings, items, folder, how);
  if (tokenizer) {
    atomic_write_file(folder / "tokenizer.json", json_to_text(tokenizer->tokenizer));
    atomic_write_file(folder / "tokenizer_config.json", json_to_text(tokenizer->config));
  }
  atomic_write_file(folder / "config.json", json_to_text(config));
  GgufImportResult result{architecture.name, 0, tokenizer.has_value()};
  for (const Item& item : items) result.parameters += item.bytes / size_of(how.dtype);
  return result;
}

}  // namespace peryton
