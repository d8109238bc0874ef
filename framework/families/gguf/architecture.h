// What the conversion to GGUF did to a model of one architecture, as tables.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>

#include "framework/families/gguf/settings.h"

namespace peryton::gguf {

// What has to be done to a tensor of the file. The formulas are in changes.h.
enum class Change {
  kNone,
  kInterleavedQueries,  // rows of each head in pairs; as many heads as attention.head_count
  kInterleavedKeys,     // the same with attention.head_count_kv
  kSeparateHeads,       // all queries, all keys, all values -> head by head
  kTransposed,
  kNegativeExponential,      // -exp(x) -> x
  kFlatNegativeExponential,  // the same, and all sizes in one
  kFlat,                     // all sizes in one
  kNarrow                    // [a, b] -> [a, 1, b]
};

// '#' stands for the number of a block, the same in both names.
struct WeightName {
  const char* file;
  const char* folder;
  Change change = Change::kNone;
};

struct Architecture {
  const char* name;  // general.architecture
  std::span<const WeightName> weights;
  std::span<const char* const> ignored;  // tensors that config.json says, or nobody needs
  nlohmann::json (*config)(const Settings& settings);
  const char* default_words;  // pre-tokenizer where the file names none; null: it must
};

// By general.architecture; an unknown one is the user's error and lists the known ones.
const Architecture& architecture_of(const GgufFile& file);

// Architectures, one file each (mamba.cpp has two).
extern const Architecture kLlama, kGpt2, kGptNeox, kMamba, kMamba2;

}  // namespace peryton::gguf
