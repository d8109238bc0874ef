// Writes tokenizer.json, in the form that the Hugging Face `tokenizers` library reads.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace peryton {

struct BpeDescription {
  enum class Words { kWhole, kGpt2, kGpt2SingleDigits };  // kWhole: the text is one word

  // Bytes of the tokens by id; the entry at end_of_text is not used.
  std::vector<std::string> vocabulary;
  std::vector<std::pair<std::int32_t, std::int32_t>> merges;  // by rank
  std::int32_t end_of_text = 0;  // id of <|endoftext|>: inside the vocabulary, or the next one
  Words words = Words::kGpt2;
};

// The field `pre_tokenizer` alone.
std::string pre_tokenizer_json(BpeDescription::Words words);

std::string tokenizer_json(const BpeDescription& description);

}  // namespace peryton
