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

void write_folder(const nlohmann::json& config, const std::vector<NamedTensor>& tensors,
                  const fs::path& folder, const std::optional<fs::path>& tokenizer) {
  make_folder(folder);
  // The config last: a folder without it is not a model.
  if (tokenizer) copy_tokenizer(*tokenizer, folder);
  write_safetensors(folder / "model.safetensors", tensors);
  atomic_write_file(folder / "config.json", json_to_text(config));
}

void name_dtype(const Component& component, nlohmann::json& config) {
  if (config.contains("torch_dtype") || config.contains("dtype")) return;
  if (component.parameters().empty()) return;
  config["torch_dtype"] = name_of(component.parameters().front()->value.dtype());
}

}  // namespace

void export_component(const Component& component, const fs::path& folder,
                      const std::optional<fs::path>& tokenizer) {
  std::vector<NamedTensor> tensors;
  for (const ParameterPtr& parameter : component.parameters()) {
    tensors.push_back({parameter->name, parameter->value});
  }
  nlohmann::json config = component.config();
  name_dtype(component, config);
  write_folder(config, tensors, folder, tokenizer);
}

void export_packed(const Component& component, PackedForm form, const fs::path& folder,
                   const std::optional<fs::path>& tokenizer) {
  const auto* packable = dynamic_cast<const Packable*>(&component);
  if (packable == nullptr) {
    fail_input("this model's weights have no packed form", "",
               "ternary models of the family bitnet have one; export others as trained");
  }
  PackedModel model = packable->packed(form);
  name_dtype(component, model.config);
  write_folder(model.config, model.tensors, folder, tokenizer);
}

}  // namespace peryton
