// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <filesystem>

#include "framework/config/reader.h"

namespace peryton {
namespace {

std::string absolute(const std::string& path) {
  return std::filesystem::absolute(path).lexically_normal().string();
}

void read_source(const Node& node, SourceSettings& source) {
  source.where = node.where();
  if (node.is_text()) {
    if (node.to_text(source.path)) source.path = absolute(source.path);
    return;
  }
  node.text("path", source.path);
  if (source.path.empty()) {
    node.mistake("'" + node.path() + "' has no 'path'",
                 "for example {path: my.jsonl, field: text}");
  } else {
    source.path = absolute(source.path);
  }
  node.text("field", source.field);
  node.text("prompt_field", source.prompt_field);
  node.text("completion_field", source.completion_field);
  if (source.prompt_field.empty() != source.completion_field.empty()) {
    node.mistake("'prompt_field' and 'completion_field' go together; one is missing");
  }
  node.number("weight", source.weight, 0.0, 1e9);
  node.text("documents", source.documents);
  node.finish();
}

void read_split(const Node& map, SplitSettings& split) {
  std::string by = "document";
  map.text("by", by);
  if (by != "document") map.at("by").mistake("the split is by document, not by '" + by + "'");
  map.number("validation", split.validation, 0.0, 0.9);
  map.number("test", split.test, 0.0, 0.9);
  map.number("near_duplicates", split.near_duplicates, 0.0, 1.0);
  if (split.validation + split.test >= 0.95) {
    map.mistake("validation and test together leave nothing to train on");
  }
  map.finish();
}

bool looks_like_a_path(const std::string& text) {
  return text.find('/') != std::string::npos || text.ends_with(".json");
}

void tokenizer_by_word(const Node& node, const std::vector<ComponentConfig>& components,
                       TokenizerSettings& tokenizer) {
  std::string word;
  if (!node.to_text(word)) return;
  std::vector<std::string> known = {"byte"};
  if (word == "byte") {
    tokenizer.kind = TokenizerSettings::Kind::kByte;
    return;
  }
  tokenizer.kind = TokenizerSettings::Kind::kLoad;
  for (const ComponentConfig& component : components) {
    known.push_back(component.name);
    if (component.name != word) continue;
    tokenizer.path = component.from;
    if (component.pretrained()) return;
    node.mistake("the component '" + word + "' is built here and brings no tokenizer",
                 "write tokenizer: {train: bpe, vocabulary: 4096}, or byte");
    return;
  }
  if (looks_like_a_path(word)) {
    tokenizer.path = absolute(word);
    return;
  }
  node.mistake("unknown tokenizer '" + word + "'",
               suggest(word, known) + " (or a path, or {train: bpe, vocabulary: 4096})");
}

void tokenizer_by_map(const Node& map, TokenizerSettings& tokenizer) {
  std::string train, path;
  map.text("train", train);
  map.text("path", path);
  if (train.empty() == path.empty()) {
    map.mistake("'" + map.path() + "' needs either 'train' or 'path'",
                "for example {train: bpe, vocabulary: 4096} or {path: tokenizer.json}");
  }
  if (!path.empty()) {
    tokenizer.kind = TokenizerSettings::Kind::kLoad;
    tokenizer.path = absolute(path);
    map.finish({{"vocabulary", "to a tokenizer that is trained"}});
    return;
  }
  if (!train.empty() && train != "bpe") {
    map.at("train").mistake("a tokenizer '" + train + "' cannot be trained", "train: bpe can");
  }
  tokenizer.kind = TokenizerSettings::Kind::kTrainBpe;
  std::int64_t vocabulary = tokenizer.vocabulary;
  map.count("vocabulary", vocabulary, 257, 1'000'000);
  tokenizer.vocabulary = static_cast<int>(vocabulary);
  map.flag("split_digits", tokenizer.split_digits);
  map.finish();
}

}  // namespace

void read_data(const Node& map, const std::vector<ComponentConfig>& components,
               DataSettings& data) {
  const Node sources = map.at("sources");
  if (sources && !sources.is_list()) {
    sources.mistake("'data.sources' must be a list", "for example [{path: my.jsonl, field: text}]");
  }
  for (const Node& item : sources.items()) read_source(item, data.sources.emplace_back());
  if (map && data.sources.empty()) {
    map.mistake("'data.sources' names no text",
                "for example sources: [{path: my.jsonl, field: text}]");
  }
  if (const Node split = map.section("split")) read_split(split, data.split);
  const Node tokenizer = map.at("tokenizer");
  data.tokenizer.where = tokenizer ? tokenizer.where() : map.where();
  if (tokenizer.is_map()) {
    tokenizer_by_map(tokenizer, data.tokenizer);
  } else if (tokenizer) {
    tokenizer_by_word(tokenizer, components, data.tokenizer);
  } else {
    const auto first = std::find_if(components.begin(), components.end(),
                                    [](const ComponentConfig& c) { return c.pretrained(); });
    if (first != components.end()) {
      data.tokenizer.kind = TokenizerSettings::Kind::kLoad;
      data.tokenizer.path = first->from;
    }
  }
  map.finish();
}

}  // namespace peryton
