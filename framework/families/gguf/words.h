// The pre-tokenizers that GGUF files name in tokenizer.ggml.pre.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace peryton::gguf {

// Fields of a tokenizer.json for byte-level BPE whose words are those of `name`: normalizer,
// pre_tokenizer, and whether the merges are passed over for words of the vocabulary
// ("ignore_merges"). An unknown name is the user's error at `place` and lists the known ones.
nlohmann::json words_named(const std::string& name, const std::string& place);

}  // namespace peryton::gguf
