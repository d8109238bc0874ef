// tokenizer.json from the tokenizer.ggml.* entries of a GGUF file.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>

#include "framework/families/gguf/architecture.h"

namespace peryton::gguf {

struct TokenizerFiles {
  nlohmann::json tokenizer;  // tokenizer.json
  nlohmann::json config;     // tokenizer_config.json
};

// Byte-level BPE ("gpt2") and SentencePiece ("llama"); nullopt where the file has none. Any other
// kind, a missing or inconsistent field is the user's error.
std::optional<TokenizerFiles> tokenizer_of(const GgufFile& file, const Architecture& architecture);

}  // namespace peryton::gguf
