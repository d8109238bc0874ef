// A component from a model folder, and back. Every parameter of the component must be in the folder
// under one of the names that its family knows (Family::canonical_name), with the right shape and
// finite values; nothing else may be in it. All that is wrong is told at once. A ternary weight
// that the family keeps packed may also be in Peryton's file form, which brings its scale along.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "framework/families/family.h"
#include "framework/families/packable.h"
#include "framework/families/registry.h"

namespace peryton {

struct LoadedComponent {
  std::unique_ptr<Component> component;
  std::string family;
  std::string source;        // the folder, as given
  std::string content_hash;  // of the weights as stored (ModelFolder::content_hash)
  std::optional<std::filesystem::path> tokenizer;  // its tokenizer.json
};

struct ComponentLoad {
  DType dtype = DType::kFloat32;  // parameters that the family keeps in another dtype keep it
  // Set: every frozen ternary weight that it does not claim is packed as soon as it is read
  // (Component::pack_frozen), so that memory holds one such weight at a time beside the packed
  // ones.
  Component::KeepValue keep = nullptr;
  // Above 0: a component over another vocabulary. Its embedding has this many rows, the head is
  // tied to it, and what the folder has of both is not read: see fill_fresh_table.
  std::int64_t fresh_vocabulary = 0;
};

// Values are read one by one. A tied head may be absent, or present and identical to the embedding.
LoadedComponent load_component(const std::filesystem::path& folder, const FamilyRegistry& registry,
                               const ComponentLoad& load);
inline LoadedComponent load_component(const std::filesystem::path& folder,
                                      const FamilyRegistry& registry, DType dtype) {
  return load_component(folder, registry, ComponentLoad{.dtype = dtype});
}

// The same without reading a value: names, shapes and types are checked, the bfloat16 weights are
// there in shape alone, and there is no content hash. For looking at a folder.
LoadedComponent describe_component(const std::filesystem::path& folder,
                                   const FamilyRegistry& registry);

// `component`, of this family, over another vocabulary, its head tied to its embedding: no values.
std::unique_ptr<Component> over_vocabulary(const Component& component, const Family& family,
                                           std::int64_t vocabulary, const std::string& where,
                                           DType dtype);

// Writes config.json and model.safetensors (a tied head is left out), and copies tokenizer.json and
// the files beside it that transformers reads with it. transformers loads the folder to the same
// model.
void export_component(const Component& component, const std::filesystem::path& folder,
                      const std::optional<std::filesystem::path>& tokenizer);

// The same with ternary weights in fewer bits. A component without them is the user's error.
void export_packed(const Component& component, PackedForm form, const std::filesystem::path& folder,
                   const std::optional<std::filesystem::path>& tokenizer);

}  // namespace peryton
