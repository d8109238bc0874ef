// Cutting text at what a pattern matches: the pre-tokenizers Split, Digits, Punctuation,
// WhitespaceSplit.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "framework/data/pattern.h"

namespace peryton {

// What becomes of a match.
enum class SplitBehavior { kIsolated, kRemoved, kContiguous, kMergedWithPrevious, kMergedWithNext };

class TextSplitter {
 public:
  TextSplitter(Pattern pattern, SplitBehavior behavior, bool invert);
  TextSplitter(bool (*predicate)(char32_t), SplitBehavior behavior);  // matches single characters

  // The pieces of `text` (UTF-8) that are not empty, in order; they point into it.
  std::vector<std::string_view> split(std::string_view text) const;

 private:
  struct Part {
    std::size_t begin, end;
    bool match;
  };
  std::vector<Part> parts(std::string_view text) const;
  std::vector<Part> merged(const std::vector<Part>& parts) const;

  std::optional<Pattern> pattern_;
  bool (*predicate_)(char32_t) = nullptr;
  SplitBehavior behavior_;
  bool invert_ = false;
};

}  // namespace peryton
