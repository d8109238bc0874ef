// A GGUF file as a Hugging Face model folder: config.json, model.safetensors (in shards where it is
// large) and tokenizer.json, with the names, layouts and values that the model had before it was
// converted; quantised weights as the numbers that they stand for.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "framework/checkpoint/gguf.h"
#include "kernels/common/dtype.h"

namespace peryton {

struct GgufImportSettings {
  DType dtype = DType::kFloat32;  // of the written weights; kFloat32 loses nothing
  bool tokenizer = true;          // false: leave the tokenizer out, whatever kind it is
  std::int64_t shard_bytes = std::int64_t{4'000'000'000};
};

struct GgufImportResult {
  std::string architecture;  // as in general.architecture
  std::int64_t parameters = 0;
  bool tokenizer = false;  // whether tokenizer.json was written
};

// Makes `folder`, which must be absent or empty. An architecture, a tensor, a type or a tokenizer
// that is not known here is the user's error; all unknown tensors are told at once. config.json
// comes last: without it the folder is no model.
GgufImportResult import_gguf(const std::filesystem::path& file, const std::filesystem::path& folder,
                             const GgufImportSettings& settings = {});

}  // namespace peryton
