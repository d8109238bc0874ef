// SPDX-License-Identifier: Apache-2.0
#include "launch/inspect/fit.h"

#include <algorithm>

namespace peryton {
namespace {

enum class TokenizerMatch { kSame, kBorrowed, kMissing, kDifferent };

// A model without tokenizer.json may use the other's when it has a row for each of its entries.
TokenizerMatch tokenizer_match(const ModelFacts& a, const ModelFacts& b) {
  if (!a.tokenizer && !b.tokenizer) return TokenizerMatch::kMissing;
  if (a.tokenizer && b.tokenizer) {
    return a.tokenizer->table_hash == b.tokenizer->table_hash ? TokenizerMatch::kSame
                                                              : TokenizerMatch::kDifferent;
  }
  const ModelFacts &with = a.tokenizer ? a : b, &without = a.tokenizer ? b : a;
  return without.shape.vocabulary >= with.tokenizer->entries ? TokenizerMatch::kBorrowed
                                                             : TokenizerMatch::kDifferent;
}

Finding tokenizer_finding(const ModelFacts& a, const ModelFacts& b) {
  const ModelFacts &with = a.tokenizer ? a : b, &without = a.tokenizer ? b : a;
  switch (tokenizer_match(a, b)) {
    case TokenizerMatch::kSame:
      return {Fit::kYes, "tokenizer", fmt::format("the same {} entries", a.tokenizer->entries), ""};
    case TokenizerMatch::kBorrowed:
      return {
          Fit::kMendable, "tokenizer",
          fmt::format("{} has no tokenizer.json; its {} rows hold the {} entries of {}'s",
                      without.name, without.shape.vocabulary, with.tokenizer->entries, with.name),
          fmt::format("if {0} was trained with that tokenizer, write `tokenizer: {1}` for it",
                      without.name, with.name)};
    case TokenizerMatch::kMissing:
      return {Fit::kMendable, "tokenizer", "neither folder has a tokenizer.json",
              "put the tokenizer.json that they were trained with into one of the folders"};
    case TokenizerMatch::kDifferent:
      break;
  }
  const auto entries = [](const ModelFacts& m) {
    return m.tokenizer ? m.tokenizer->entries : m.shape.vocabulary;
  };
  return {
      Fit::kMendable, "tokenizer",
      fmt::format("they differ ({} and {} entries)", entries(a), entries(b)),
      "write `embeddings: fresh` in `hybrid:` to train new shared embeddings and a new head, or "
      "choose models of one tokenizer to keep the pretrained ones"};
}

Finding vocabulary_finding(const ModelFacts& a, const ModelFacts& b) {
  const std::int64_t rows_a = a.shape.vocabulary, rows_b = b.shape.vocabulary;
  if (tokenizer_match(a, b) == TokenizerMatch::kDifferent) {
    return {Fit::kMendable, "vocabulary",
            fmt::format("{} and {} rows of different tokens", rows_a, rows_b),
            "fresh embeddings replace both"};
  }
  for (const ModelFacts* model : {&a, &b}) {
    if (model->tokenizer && model->shape.vocabulary < model->tokenizer->entries) {
      return {Fit::kNo, "vocabulary",
              fmt::format("{} has {} rows for {} tokenizer entries", model->name,
                          model->shape.vocabulary, model->tokenizer->entries),
              "this tokenizer.json does not belong to these weights"};
    }
  }
  if (rows_a == rows_b)
    return {Fit::kYes, "vocabulary", fmt::format("both have {} rows", rows_a), ""};
  return {Fit::kYes, "vocabulary",
          fmt::format("{} and {} rows: padded differently; ids beyond the tokenizer's are masked",
                      rows_a, rows_b),
          ""};
}

Finding width_finding(const ModelFacts& a, const ModelFacts& b) {
  if (a.shape.width == b.shape.width) {
    return {Fit::kYes, "width", fmt::format("both {}", a.shape.width), ""};
  }
  return {Fit::kYes, "width",
          fmt::format("{} and {}: the shared space has {}, projectors change the width of {}",
                      a.shape.width, b.shape.width, std::max(a.shape.width, b.shape.width),
                      a.shape.width < b.shape.width ? a.name : b.name),
          ""};
}

Finding depth_finding(const ModelFacts& a, const ModelFacts& b) {
  const std::int64_t segments = suggested_segments(a.shape.blocks, b.shape.blocks);
  const bool even = a.shape.blocks % segments == 0 && b.shape.blocks % segments == 0;
  const std::string each = even ? fmt::format("{} and {} blocks in each", a.shape.blocks / segments,
                                              b.shape.blocks / segments)
                                : "uneven, as near as possible";
  return {Fit::kYes, "depth",
          fmt::format("{} and {} blocks: {} segments ({})", a.shape.blocks, b.shape.blocks,
                      segments, each),
          ""};
}

std::string component_line(const ModelFacts& model, const std::string& name,
                           const std::string& borrows) {
  std::string line = fmt::format("    {}: {{from: {}", name, model.folder.string());
  if (!borrows.empty()) line += ", tokenizer: " + borrows;
  return line + "}\n";
}

std::string configuration(const ModelFacts& a, const ModelFacts& b) {
  const std::string name_b = a.name == b.name ? b.name + "_2" : b.name;
  const TokenizerMatch match = tokenizer_match(a, b);
  const bool borrowed = match == TokenizerMatch::kBorrowed;
  std::string text = "  components:\n";
  text += component_line(a, a.name, borrowed && !a.tokenizer ? name_b : "");
  text += component_line(b, name_b, borrowed && !b.tokenizer ? a.name : "");
  text += fmt::format("  hybrid: {{segments: {}, gate: transition, embeddings: {}}}\n",
                      suggested_segments(a.shape.blocks, b.shape.blocks),
                      match == TokenizerMatch::kDifferent ? "fresh" : "keep");
  return text;
}

}  // namespace

std::int64_t suggested_segments(std::int64_t blocks_a, std::int64_t blocks_b) {
  const std::int64_t smaller = std::min(blocks_a, blocks_b);
  for (std::int64_t n = std::min<std::int64_t>(8, smaller); n >= 3; --n) {
    if (blocks_a % n == 0 && blocks_b % n == 0) return n;
  }
  return std::clamp<std::int64_t>(smaller, 1, 6);
}

std::vector<Finding> compare_models(const ModelFacts& a, const ModelFacts& b) {
  return {tokenizer_finding(a, b), vocabulary_finding(a, b), width_finding(a, b),
          depth_finding(a, b)};
}

std::string fit_text(const ModelFacts& a, const ModelFacts& b) {
  std::string text = fmt::format("{} with {}\n", a.folder.string(), b.folder.string());
  bool possible = true;
  for (const Finding& finding : compare_models(a, b)) {
    const char* mark = finding.fit == Fit::kYes        ? "fits"
                       : finding.fit == Fit::kMendable ? "mend"
                                                       : "NO";
    text += fmt::format("  {:<5}{:<12}{}\n", mark, finding.subject, finding.text);
    if (!finding.remedy.empty()) text += fmt::format("  {:<17}-> {}\n", "", finding.remedy);
    possible = possible && finding.fit != Fit::kNo;
  }
  if (possible) text += "as a hybrid:\n" + configuration(a, b);
  return text;
}

}  // namespace peryton
