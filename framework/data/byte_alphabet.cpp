// SPDX-License-Identifier: Apache-2.0
#include "framework/data/byte_alphabet.h"

#include <array>

#include "framework/data/utf8.h"

namespace peryton {
namespace {

constexpr bool is_printable(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

struct Alphabet {
  std::array<char32_t, 256> character{};
  std::array<std::int16_t, 512> byte{};  // -1: stands for no byte
};

constexpr Alphabet make_alphabet() {
  Alphabet alphabet;
  alphabet.byte.fill(-1);
  char32_t next = 256;
  for (int byte = 0; byte < 256; ++byte) {
    const char32_t code = is_printable(byte) ? static_cast<char32_t>(byte) : next++;
    alphabet.character[static_cast<std::size_t>(byte)] = code;
    alphabet.byte[code] = static_cast<std::int16_t>(byte);
  }
  return alphabet;
}

constexpr Alphabet kAlphabet = make_alphabet();

}  // namespace

char32_t character_of_byte(std::uint8_t byte) { return kAlphabet.character[byte]; }

std::string to_byte_alphabet(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes)
    append_utf8(text, character_of_byte(static_cast<std::uint8_t>(byte)));
  return text;
}

std::optional<std::string> from_byte_alphabet(std::string_view text) {
  std::string bytes;
  for (std::size_t at = 0; at < text.size();) {
    const Character character = character_at(text, at);
    if (character.code >= kAlphabet.byte.size() || kAlphabet.byte[character.code] < 0) return {};
    bytes += static_cast<char>(kAlphabet.byte[character.code]);
    at += character.bytes;
  }
  return bytes;
}

}  // namespace peryton
