// The `added_tokens` of a tokenizer.json: strings that become one token wherever they stand in a
// text.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "framework/data/normalizer.h"

namespace peryton {

struct AddedToken {
  std::int32_t id = 0;
  std::string content;
  bool special = false;
  bool normalized = false;   // looked for behind the normaliser, not before it
  bool single_word = false;  // only between characters that are not word characters
  bool lstrip = false;       // takes the white space before it with it
  bool rstrip = false;       // and behind it
};

std::vector<AddedToken> read_added_tokens(const nlohmann::json& field, const std::string& where);

// Finds added tokens, leftmost first and the longest of those.
class AddedTokenFinder {
 public:
  // `normalizer` is applied to the contents of the tokens too; null: not.
  AddedTokenFinder(std::vector<AddedToken> tokens, const Normalizer* normalizer);

  // Cuts `text` (UTF-8) in order into piece(part, null) and piece(part, token).
  void split(std::string_view text,
             const std::function<void(std::string_view, const AddedToken*)>& piece) const;

 private:
  const AddedToken* match_at(std::string_view text, std::size_t at) const;

  std::vector<AddedToken> tokens_;
  std::array<std::vector<std::uint32_t>, 256> by_first_byte_;  // indices of tokens_, longest first
};

}  // namespace peryton
