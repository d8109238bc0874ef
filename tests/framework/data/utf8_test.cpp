// SPDX-License-Identifier: Apache-2.0
#include "framework/data/utf8.h"

#include <gtest/gtest.h>

namespace peryton {
namespace {

constexpr std::size_t kValid = std::string_view::npos;

TEST(Utf8, AcceptsExactlyWellFormedSequences) {
  EXPECT_EQ(find_invalid_utf8(""), kValid);
  EXPECT_EQ(find_invalid_utf8("a\xC2\x80\xDF\xBF\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF"),
            kValid);
  EXPECT_EQ(find_invalid_utf8("\xF0\x90\x80\x80\xF4\x8F\xBF\xBF"), kValid);
  for (const char* wrong :
       {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC2", "\xC2g", "\xE0\x9F\xBF", "\xED\xA0\x80",
        "\xE2\x82", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF"}) {
    EXPECT_EQ(find_invalid_utf8(std::string("ab") + wrong + "c"), 2u);
  }
}

TEST(Utf8, EveryCodePointRoundTrips) {
  for (char32_t code = 0; code <= 0x10FFFF; code += code < 0x3000 ? 1 : 251) {
    if (code >= 0xD800 && code <= 0xDFFF) continue;
    std::string text;
    append_utf8(text, code);
    ASSERT_EQ(find_invalid_utf8(text), kValid) << std::hex << static_cast<std::uint32_t>(code);
    ASSERT_EQ(character_at(text, 0).code, code);
    ASSERT_EQ(character_at(text, 0).bytes, text.size());
    ASSERT_EQ(character_before("x" + text, text.size() + 1).code, code);
  }
}

TEST(Utf8, Classes) {
  for (const char32_t space :
       {U' ', U'\t', U'\r', U'\x85', U'\xA0', U'\x1680', U'\x2003', U'\x2028', U'\x3000'}) {
    EXPECT_TRUE(is_white_space(space));
  }
  EXPECT_FALSE(is_white_space(0x180E));
  EXPECT_FALSE(is_white_space(0x200B));
  EXPECT_TRUE(is_numeric(U'٣') && is_numeric(U'½') && is_numeric(U'Ⅷ') && !is_numeric(U'一'));
  EXPECT_TRUE(is_word(U'_') && is_word(0x301) && is_word(U'é') && !is_word(U'-') && !is_word(U'½'));
  EXPECT_TRUE(is_punctuation(U'+') && is_punctuation(U'—') && !is_punctuation(U'×'));
}

}  // namespace
}  // namespace peryton
