// SPDX-License-Identifier: Apache-2.0
#include "framework/data/text_split.h"

#include <algorithm>
#include <utility>

#include "framework/data/utf8.h"

namespace peryton {

TextSplitter::TextSplitter(Pattern pattern, SplitBehavior behavior, bool invert)
    : pattern_(std::move(pattern)), behavior_(behavior), invert_(invert) {}

TextSplitter::TextSplitter(bool (*predicate)(char32_t), SplitBehavior behavior)
    : predicate_(predicate), behavior_(behavior) {}

// Matches and what lies between them, covering the text.
std::vector<TextSplitter::Part> TextSplitter::parts(std::string_view text) const {
  std::vector<Part> result;
  std::size_t previous = 0;
  const auto match = [&](std::size_t begin, std::size_t end) {
    if (previous < begin) result.push_back({previous, begin, false});
    result.push_back({begin, end, true});
    previous = end;
  };
  if (pattern_) {
    pattern_->for_each_match(text, match);
  } else {
    for (std::size_t at = 0; at < text.size();) {
      const Character character = character_at(text, at);
      if (predicate_(character.code)) match(at, at + character.bytes);
      at += character.bytes;
    }
  }
  if (previous < text.size()) result.push_back({previous, text.size(), false});
  if (invert_) {
    for (Part& part : result) part.match = !part.match;
  }
  return result;
}

std::vector<TextSplitter::Part> TextSplitter::merged(const std::vector<Part>& parts) const {
  std::vector<Part> result;
  bool previous = false;
  if (behavior_ == SplitBehavior::kMergedWithNext) {
    for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
      if (part->match && !previous && !result.empty()) {
        result.back().begin = part->begin;
      } else {
        result.push_back(*part);
      }
      previous = part->match;
    }
    std::reverse(result.begin(), result.end());
    return result;
  }
  for (const Part& part : parts) {
    const bool joins =
        behavior_ == SplitBehavior::kContiguous ? part.match == previous : part.match && !previous;
    if (joins && !result.empty()) {
      result.back().end = part.end;
    } else {
      result.push_back(part);
    }
    previous = part.match;
  }
  return result;
}

std::vector<std::string_view> TextSplitter::split(std::string_view text) const {
  std::vector<Part> all = parts(text);
  if (behavior_ != SplitBehavior::kIsolated && behavior_ != SplitBehavior::kRemoved) {
    all = merged(all);
  }
  std::vector<std::string_view> pieces;
  for (const Part& part : all) {
    if (behavior_ == SplitBehavior::kRemoved && part.match) continue;
    if (part.begin < part.end) pieces.push_back(text.substr(part.begin, part.end - part.begin));
  }
  return pieces;
}

}  // namespace peryton
