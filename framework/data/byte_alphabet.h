// GPT-2's printable stand-ins for the 256 bytes, in which byte-level vocabularies are written.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace peryton {

// Printable Latin-1 bytes stand for themselves; the others, in order, for U+0100, U+0101, ...
char32_t character_of_byte(std::uint8_t byte);
// Bytes written as their stand-ins, in UTF-8.
std::string to_byte_alphabet(std::string_view bytes);
// The reverse; nothing where `text` (UTF-8) has a character that stands for no byte.
std::optional<std::string> from_byte_alphabet(std::string_view text);

}  // namespace peryton
