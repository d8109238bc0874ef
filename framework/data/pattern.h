// Regular expressions over UTF-8, with the meaning that tokenizer.json files rely on (Oniguruma's).
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace peryton {

// Immutable; may be used from several threads at once. Compiled by PCRE2 with Unicode properties;
// \s, \S and \w are rewritten to the Unicode White_Space and word properties, which PCRE2 defines
// differently.
class Pattern {
 public:
  // Throws kUserInput at `where` where the expression is wrong.
  Pattern(const std::string& expression, const std::string& where);
  // A pattern that matches exactly `text`.
  static Pattern literal(const std::string& text);

  // Calls match(begin, end) for the leftmost matches from left to right, none overlapping. An empty
  // match right behind the match before it does not count. `text` must be UTF-8.
  void for_each_match(std::string_view text,
                      const std::function<void(std::size_t, std::size_t)>& match) const;
  // Whether it matches somewhere in `text` (UTF-8).
  bool found_in(std::string_view text) const;

 private:
  class Search;
  std::shared_ptr<void> code_;
};

}  // namespace peryton
