// Models in stage folders. A component alone is a Hugging Face folder. A hybrid is hybrid.json
// (structure, alpha, where each component comes from, with the hash of its weights) and
// hybrid.safetensors (projectors, and every component tensor that differs from its source): frozen
// weights are referenced, not copied.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "framework/families/registry.h"
#include "framework/hybrid/hybrid_model.h"
#include "framework/hybrid/single_model.h"

namespace peryton {

struct HybridSource {
  std::string name;
  std::filesystem::path folder;  // absolute
  std::string content_hash;
};

// A model with what is needed to save it again.
struct StoredModel {
  std::shared_ptr<LanguageModel> model;
  HybridModel* hybrid = nullptr;  // exactly one of the two is set; owned by `model`
  SingleModel* single = nullptr;
  std::filesystem::path tokenizer;    // tokenizer.json; may be empty
  std::vector<HybridSource> sources;  // hybrid
  std::set<std::string> changed;      // hybrid: component tensors that differ from the sources
  bool fresh_embeddings = false;      // hybrid
  bool shared_embeddings = false;     // hybrid: fresh, and one table for all
};

// Writes into `folder` (made if missing), hybrid.json or config.json last. Deterministic bytes.
void save_model(const StoredModel& stored, const std::filesystem::path& folder);

// Packs frozen weights (Component::pack_frozen). `saved_again`: save_model will be called on it, so
// the values that it writes stay.
void pack_frozen(const StoredModel& stored, bool saved_again);

struct LoadOptions {
  DType dtype = DType::kFloat32;
  // Softmax width; 0: the stored one (hybrid) or the component's own, padding included.
  std::int64_t vocabulary = 0;
  // Set: the model will be packed (pack_frozen) and these groups train, so frozen ternary weights
  // of components are packed while they are read. Of a component alone only where it is not saved
  // again: then pass no group at all.
  std::optional<std::vector<std::string>> pack_but = std::nullopt;
};

// Of a model that is packed and only read: float32, nothing kept.
inline LoadOptions only_read(std::int64_t vocabulary = 0) {
  return {.vocabulary = vocabulary, .pack_but = std::vector<std::string>{}};
}

// Loads what save_model wrote, or any component folder. A source that has changed since, or is
// gone, is the user's error.
StoredModel load_model(const std::filesystem::path& folder, const FamilyRegistry& registry,
                       const LoadOptions& options = {});

bool holds_hybrid(const std::filesystem::path& folder);
// Where the weights of a stored model's components come from: the folder itself, if it holds one.
std::vector<std::filesystem::path> component_folders(const std::filesystem::path& folder);

}  // namespace peryton
