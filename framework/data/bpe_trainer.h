// Learns a byte-level BPE vocabulary (Sennrich et al. 2016): again and again the most frequent pair
// of neighbours within words becomes a token. Ties go to the pair with the smaller ids, so the
// result depends on the text alone, not on its order or on threads.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace peryton {

struct BpeTraining {
  int vocabulary = 4096;       // tokens, with <|endoftext|> (id 0) and the 256 bytes
  bool split_digits = false;   // digits one by one, as SmolLM has them
  std::int64_t min_count = 2;  // rarer pairs are not merged; the vocabulary can end up smaller
  int threads = 1;
};

// The tokenizer.json learnt from `texts` (UTF-8), whose words are GPT-2's. `progress` gets (tokens
// learnt, vocabulary). Throws kUserInput where the vocabulary is too small or there is no text.
std::string train_bpe(std::span<const std::string_view> texts, const BpeTraining& settings,
                      const std::function<void(std::int64_t, std::int64_t)>& progress = {});

}  // namespace peryton
