// What one looks at in a model folder before using it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "framework/families/family.h"
#include "framework/families/registry.h"

namespace peryton {

struct TokenizerFacts {
  std::int64_t entries = 0;  // largest id + 1
  std::string table_hash;  // of the texts, ids and merges; how the file spells them does not count
};
// Of a tokenizer.json; a file that is none is the user's error.
TokenizerFacts tokenizer_facts(const std::filesystem::path& file);

struct ModelFacts {
  std::string name;  // short name for a configuration: "pythia" of ".../pythia-160m/"
  std::filesystem::path folder;
  std::string family;
  ComponentShape shape;
  std::string dtype;  // as stored: "F16", or "BF16 and F32"
  std::int64_t parameters = 0;
  std::int64_t stored_bytes = 0;
  std::optional<TokenizerFacts> tokenizer;
};
// Checks names and shapes of all weights, reads no value.
ModelFacts model_facts(const std::filesystem::path& folder, const FamilyRegistry& registry);

// A few lines for people.
std::string to_text(const ModelFacts& facts);

}  // namespace peryton
