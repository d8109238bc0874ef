// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>
#include <vector>

#include "framework/checkpoint/files.h"
#include "framework/checkpoint/json_text.h"
#include "framework/checkpoint/safetensors.h"
#include "framework/families/import.h"

namespace peryton {
namespace {

namespace fs = std::filesystem;

// What transformers reads beside tokenizer.json to build the same tokenizer.
constexpr const char* kTokenizerFiles[] = {"tokenizer_config.json", "special_tokens_map.json",
                                           "added_tokens.json"};

bool same_file(const fs::path& a, const fs::path& b) {
  std::error_code error;
  return fs::equivalent(a, b, error) && !error;
}

void copy_tokenizer(const fs::path& tokenizer, const fs::path& folder) {
  if (!same_file(tokenizer, folder / "tokenizer.json")) {
    atomic_copy_file(tokenizer, folder / "tokenizer.json");
  }
  bool has_config = false;
  for (const char* name : kTokenizerFiles) {
    const fs::path source = tokenizer.parent_path() / name;
    if (!fs::exists(source)) continue;
    has_config |= std::string_view(name) == kTokenizerFiles[0];
    if (!same_file(source, folder / name)) atomic_copy_file(source, folder / name);
  }
  // Without it transformers guesses the tokenizer's class from the model's.
  if (!has_config) {
    atomic_write_file(folder / kTokenizerFiles[0],
                      json_to_text({{"tokenizer_class", "PreTrainedTokenizerFast"}}));
  }
}

}  // namespace

void export_component(const Component& component, const fs::path& folder,
                      const std::optional<fs::path>& tokenizer) {
  make_folder(folder);
  std::vector<NamedTensor> tensors;
  for (const ParameterPtr& parameter : component.parameters()) {
    tensors.push_back({parameter->name, parameter->value});
  }
  nlohmann::json config = component.config();
  if (!config.contains("torch_dtype") && !config.contains("dtype") && !tensors.empty()) {
    config["torch_dtype"] = name_of(tensors.front().value.dtype());
  }
  // The config last: a folder without it is not a model.
  if (tokenizer) copy_tokenizer(*tokenizer, folder);
  write_safetensors(folder / "model.safetensors", tensors);
  atomic_write_file(folder / "config.json", json_to_text(config));
}

}  // namespace peryton
