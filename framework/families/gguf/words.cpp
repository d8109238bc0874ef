// SPDX-License-Identifier: Apache-2.0
#include "framework/families/gguf/words.h"

#include <nlohmann/json.hpp>
#include <string_view>

#include "framework/core/error.h"

namespace peryton::gguf {
namespace {

using nlohmann::json;

enum class Kind { kGpt2, kSingleDigits, kLlama3, kQwen2 };

struct Row {
  std::string_view name;
  Kind kind;
  bool compose = false;        // NFC first, as these models' own tokenizers do
  bool ignore_merges = false;  // a word of the vocabulary is that token, whatever the merges say
};

constexpr Row kRows[] = {
    {"gpt-2", Kind::kGpt2},
    {"phi-2", Kind::kGpt2},
    {"jais", Kind::kGpt2},
    {"mpt", Kind::kGpt2, /*compose=*/true},  // GPT-NeoX's tokenizer
    {"olmo", Kind::kGpt2, /*compose=*/true},
    {"smollm", Kind::kSingleDigits},
    {"starcoder", Kind::kSingleDigits},
    {"refact", Kind::kSingleDigits},
    {"command-r", Kind::kSingleDigits, /*compose=*/true},
    {"codeshell", Kind::kSingleDigits},
    {"llama3", Kind::kLlama3, false, /*ignore_merges=*/true},
    {"llama-v3", Kind::kLlama3, false, /*ignore_merges=*/true},
    {"llama-bpe", Kind::kLlama3, false, /*ignore_merges=*/true},
    {"smaug-bpe", Kind::kLlama3},
    {"dbrx", Kind::kLlama3},
    {"qwen2", Kind::kQwen2, /*compose=*/true},
    {"stablelm2", Kind::kQwen2},
    {"deepseek-r1-qwen", Kind::kQwen2, /*compose=*/true},
};

// Contractions, letters, digits (%: how many at once), the rest, line ends, white space.
constexpr const char* kModernWords =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%| ?[^\s\p{L}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";

json byte_level(bool use_regex) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", false},
          {"trim_offsets", true},
          {"use_regex", use_regex}};
}

json sequence(const json& first, const json& second) {
  return {{"type", "Sequence"}, {"pretokenizers", json::array({first, second})}};
}

json pre_tokenizer(Kind kind) {
  if (kind == Kind::kGpt2) return byte_level(true);
  if (kind == Kind::kSingleDigits) {
    return sequence({{"type", "Digits"}, {"individual_digits", true}}, byte_level(true));
  }
  std::string words = kModernWords;
  words.replace(words.find('%'), 1, kind == Kind::kLlama3 ? "{1,3}" : "");
  const json pattern = {{"Regex", words}};
  return sequence(
      {{"type", "Split"}, {"pattern", pattern}, {"behavior", "Isolated"}, {"invert", false}},
      byte_level(false));
}

}  // namespace

json words_named(const std::string& name, const std::string& place) {
  std::string known;
  for (const Row& row : kRows) {
    known += std::string(known.empty() ? "" : ", ") + std::string(row.name);
    if (row.name != name) continue;
    return {{"normalizer", row.compose ? json({{"type", "NFC"}}) : json()},
            {"pre_tokenizer", pre_tokenizer(row.kind)},
            {"ignore_merges", row.ignore_merges}};
  }
  fail_input(fmt::format("the pre-tokenizer '{}' is not known here", name), place,
             "known: " + known + "; the weights alone can be imported with --without-tokenizer");
}

}  // namespace peryton::gguf
