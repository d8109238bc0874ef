// SPDX-License-Identifier: Apache-2.0
#include "framework/data/pre_tokenizer.h"

#include <map>
#include <nlohmann/json.hpp>

#include "framework/core/error.h"
#include "framework/data/normalizer.h"
#include "framework/data/utf8.h"

namespace peryton {
namespace {

// GPT-2's words (Radford et al. 2019): contractions, letters, digits, the rest, white space.
constexpr const char* kByteLevelWords =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

SplitBehavior behavior_of(const nlohmann::json& field, const std::string& where) {
  static const std::map<std::string, SplitBehavior> names = {
      {"Isolated", SplitBehavior::kIsolated},
      {"Removed", SplitBehavior::kRemoved},
      {"Contiguous", SplitBehavior::kContiguous},
      {"MergedWithPrevious", SplitBehavior::kMergedWithPrevious},
      {"MergedWithNext", SplitBehavior::kMergedWithNext}};
  const std::string name = field.value("behavior", "");
  const auto found = names.find(name);
  if (found == names.end()) {
    fail_input(fmt::format("pre_tokenizer: behavior '{}' is not supported", name), where);
  }
  return found->second;
}

}  // namespace

PreTokenizer::PreTokenizer(const nlohmann::json& field, const std::string& where) {
  if (!field.is_null()) add(field, where);
}

void PreTokenizer::add(const nlohmann::json& field, const std::string& where) {
  const std::string type = field.value("type", "");
  if (type == "Sequence") {
    for (const auto& step : field.at("pretokenizers")) add(step, where);
    return;
  }
  if (byte_level_ || metaspace_) {
    fail_input(fmt::format("pre_tokenizer: a '{}' step behind {} is not supported", type,
                           byte_level_ ? "ByteLevel" : "Metaspace"),
               where);
  }
  if (type == "ByteLevel") {
    byte_level_ = true;
    add_prefix_space_ = field.value("add_prefix_space", true);
    if (field.value("use_regex", true)) pattern_ = Pattern(kByteLevelWords, where);
  } else if (type == "Metaspace") {
    metaspace_.emplace(read_metaspace(field, "pre_tokenizer", where));
  } else if (type == "Split") {
    add_split(field, where);
  } else if (type == "Digits") {
    steps_.emplace_back(is_numeric, field.value("individual_digits", false)
                                        ? SplitBehavior::kIsolated
                                        : SplitBehavior::kContiguous);
  } else if (type == "Punctuation") {
    steps_.emplace_back(is_punctuation, field.contains("behavior") ? behavior_of(field, where)
                                                                   : SplitBehavior::kIsolated);
  } else if (type == "WhitespaceSplit") {
    steps_.emplace_back(is_white_space, SplitBehavior::kRemoved);
  } else {
    fail_input(fmt::format("pre_tokenizer: type '{}' is not supported", type), where,
               "supported: ByteLevel, Metaspace, Split, Digits, Punctuation, WhitespaceSplit, "
               "Sequence");
  }
}

void PreTokenizer::add_split(const nlohmann::json& field, const std::string& where) {
  const SplitBehavior behavior = behavior_of(field, where);
  steps_.emplace_back(read_pattern(field, "pre_tokenizer", where), behavior,
                      field.value("invert", false));
}

void PreTokenizer::emit(std::string_view piece,
                        const std::function<void(std::string_view)>& word) const {
  if (!pattern_) return word(piece);
  std::size_t previous = 0;
  pattern_->for_each_match(piece, [&](std::size_t begin, std::size_t end) {
    if (previous < begin) word(piece.substr(previous, begin - previous));
    if (begin < end) word(piece.substr(begin, end - begin));
    previous = end;
  });
  if (previous < piece.size()) word(piece.substr(previous));
}

void PreTokenizer::for_each_word(std::string_view text, bool at_start,
                                 const std::function<void(std::string_view)>& word) const {
  std::vector<std::string_view> pieces;
  if (!text.empty()) pieces.push_back(text);
  for (const TextSplitter& step : steps_) {
    std::vector<std::string_view> next;
    for (const std::string_view piece : pieces) {
      const auto parts = step.split(piece);
      next.insert(next.end(), parts.begin(), parts.end());
    }
    pieces = std::move(next);
  }
  for (const std::string_view piece : pieces) {
    if (metaspace_) {
      metaspace_->for_each_word(piece, at_start && piece.data() == text.data(), word);
    } else if (add_prefix_space_ && piece.front() != ' ') {
      emit(" " + std::string(piece), word);
    } else {
      emit(piece, word);
    }
  }
}

}  // namespace peryton
