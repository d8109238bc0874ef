// UTF-8: checking, walking over characters, classes of characters.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace peryton {

// The offset of the first byte that is not UTF-8 (no overlong forms, surrogates or values above
// U+10FFFF), or npos.
std::size_t find_invalid_utf8(std::string_view text);

// Throws kUserInput with the byte offset where `text` is not UTF-8.
void check_utf8(std::string_view text, const std::string& where);

struct Character {
  char32_t code;
  std::size_t bytes;
};
// The character that begins at `at` of valid UTF-8; at < text.size().
Character character_at(std::string_view text, std::size_t at);
// The character that ends at `end` > 0 of valid UTF-8.
Character character_before(std::string_view text, std::size_t end);
void append_utf8(std::string& text, char32_t code);

bool is_numeric(char32_t code);      // general categories Nd, Nl, No
bool is_punctuation(char32_t code);  // ASCII punctuation and the general categories P*
bool is_white_space(char32_t code);  // the Unicode property White_Space
bool is_word(char32_t code);         // what \w means in Unicode: Alphabetic, M, Nd, Pc

}  // namespace peryton
