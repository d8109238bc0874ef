// The Metaspace fields of a tokenizer.json: white space is a character of its own ("▁", U+2581)
// that belongs to the word behind it, as SentencePiece has it (Kudo and Richardson 2018).
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "framework/data/text_split.h"

namespace peryton {

// Which pieces of a text get the replacement in front if they have none: the one that begins the
// text, all that lie between added tokens, or none.
enum class PrependScheme { kFirst, kAlways, kNever };

struct MetaspaceFields {
  std::string replacement;  // one character
  PrependScheme prepend = PrependScheme::kAlways;
  bool split = true;  // words begin at the replacement; otherwise the piece is one word
};
// Of a pre-tokenizer or a decoder; `owner` is the name of the field. Throws kUserInput at `where`.
MetaspaceFields read_metaspace(const nlohmann::json& field, const char* owner,
                               const std::string& where);

class Metaspace {
 public:
  explicit Metaspace(MetaspaceFields fields);

  // Calls word(text) for each word of `piece` (UTF-8, not empty); `first`: it begins the text.
  void for_each_word(std::string_view piece, bool first,
                     const std::function<void(std::string_view)>& word) const;

 private:
  MetaspaceFields fields_;
  std::optional<TextSplitter> splitter_;
};

// `text` with every `from` replaced.
std::string replace_all(std::string_view text, std::string_view from, std::string_view to);

}  // namespace peryton
