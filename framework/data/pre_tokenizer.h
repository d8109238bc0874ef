// The `pre_tokenizer` of a tokenizer.json: cuts text into the words within which BPE merges.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "framework/data/metaspace.h"
#include "framework/data/text_split.h"

namespace peryton {

// Classes of characters are those of Unicode 14 (PCRE2, utf8proc). The `tokenizers` library's
// normalisers and Punctuation step know Unicode 9 only: younger characters can get other ids there.
class PreTokenizer {
 public:
  // From the json of the field: null, or one or a Sequence of Split, Digits, Punctuation and
  // WhitespaceSplit, with ByteLevel or Metaspace at the end or without. Throws kUserInput for
  // anything else.
  PreTokenizer(const nlohmann::json& field, const std::string& where);

  // Whether the model's vocabulary is written in the byte alphabet; else in characters.
  bool byte_level() const { return byte_level_; }

  // Calls word(bytes) for each word of `text` (UTF-8) in order; the view lives as long as the call.
  // `at_start`: no text comes before `text`, not even an added token.
  void for_each_word(std::string_view text, bool at_start,
                     const std::function<void(std::string_view)>& word) const;

 private:
  void add(const nlohmann::json& field, const std::string& where);
  void add_split(const nlohmann::json& field, const std::string& where);
  void emit(std::string_view piece, const std::function<void(std::string_view)>& word) const;

  std::vector<TextSplitter> steps_;
  std::optional<Metaspace> metaspace_;
  bool byte_level_ = false;
  bool add_prefix_space_ = false;   // of ByteLevel
  std::optional<Pattern> pattern_;  // of ByteLevel, where it uses its regular expression
};

}  // namespace peryton
