// SPDX-License-Identifier: Apache-2.0
#include "launch/inspect/model_facts.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <nlohmann/json.hpp>

#include "framework/checkpoint/hash.h"
#include "framework/checkpoint/json_text.h"
#include "framework/checkpoint/model_folder.h"
#include "framework/families/import.h"

namespace peryton {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// Up to the first character that is no letter, digit or underscore, in lower case.
std::string short_name(const fs::path& folder) {
  const fs::path clean = fs::absolute(folder / ".").lexically_normal().parent_path();
  std::string name;
  for (const char c : clean.filename().string()) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) || c == '_') {
      name += static_cast<char>(std::tolower(byte));
    } else if (!name.empty()) {
      break;
    }
  }
  return name.empty() ? "model" : name;
}

// Merges are ["a b", ...] in old files and [["a", "b"], ...] in new ones.
std::string merge_text(const json& merge) {
  if (merge.is_string()) return merge.get<std::string>();
  std::string text;
  for (const json& part : merge) text += (text.empty() ? "" : " ") + part.get<std::string>();
  return text;
}

void collect_stored(const ModelFolder& folder, ModelFacts& facts) {
  std::map<std::string, std::int64_t> bytes;
  for (const std::string& name : folder.names()) {
    const StoredTensor& info = folder.info(name);
    bytes[std::string(name_of(info.dtype))] += info.bytes();
    facts.stored_bytes += info.bytes();
  }
  std::vector<std::pair<std::int64_t, std::string>> sorted;
  for (const auto& [dtype, count] : bytes) sorted.emplace_back(-count, dtype);
  std::ranges::sort(sorted);
  for (const auto& item : sorted) {
    facts.dtype += (facts.dtype.empty() ? "" : " and ") + item.second;
  }
}

}  // namespace

TokenizerFacts tokenizer_facts(const fs::path& file) {
  const json tokenizer = read_json_file(file);
  TokenizerFacts facts;
  try {
    std::map<std::int64_t, std::string> table;
    const json& model = tokenizer.at("model");
    const json& vocabulary = model.at("vocab");
    if (vocabulary.is_object()) {
      for (const auto& item : vocabulary.items())
        table[item.value().get<std::int64_t>()] = item.key();
    } else {  // unigram: a list of [text, score]
      for (const json& item : vocabulary) {
        const auto id = static_cast<std::int64_t>(table.size());
        table[id] = item.at(0).get<std::string>();
      }
    }
    for (const json& token : tokenizer.value("added_tokens", json::array())) {
      table[token.at("id").get<std::int64_t>()] = token.at("content").get<std::string>();
    }
    Hasher hasher;
    for (const auto& [id, text] : table) {
      hasher.add(id);
      hasher.add(std::string_view(text));
    }
    for (const json& merge : model.value("merges", json::array())) {
      hasher.add(std::string_view(merge_text(merge)));
    }
    facts.entries = table.empty() ? 0 : table.rbegin()->first + 1;
    facts.table_hash = hasher.hex();
  } catch (const json::exception& error) {
    fail_input(fmt::format("is not a tokenizer.json: {}", error.what()), file.string());
  }
  return facts;
}

ModelFacts model_facts(const fs::path& folder, const FamilyRegistry& registry) {
  ModelFacts facts;
  const LoadedComponent loaded = describe_component(folder, registry);
  facts.name = short_name(folder);
  facts.folder = folder;
  facts.family = loaded.family;
  facts.shape = loaded.component->shape();
  for (const ParameterPtr& parameter : loaded.component->parameters()) {
    facts.parameters += weight_count(*parameter);
  }
  collect_stored(ModelFolder::open(folder), facts);
  if (loaded.tokenizer) facts.tokenizer = tokenizer_facts(*loaded.tokenizer);
  return facts;
}

std::string to_text(const ModelFacts& facts) {
  std::string text = fmt::format("{}\n", facts.folder.string());
  const auto line = [&](const char* label, const std::string& value) {
    text += fmt::format("  {:<12}{}\n", label, value);
  };
  line("family", facts.family);
  line("width", std::to_string(facts.shape.width));
  line("blocks", std::to_string(facts.shape.blocks));
  line("vocabulary", fmt::format("{} rows{}", facts.shape.vocabulary,
                                 facts.shape.tied_head ? ", head tied to the embedding" : ""));
  line("parameters", fmt::format("{} ({:.1f} MB stored as {})", facts.parameters,
                                 static_cast<double>(facts.stored_bytes) / 1e6, facts.dtype));
  line("tokenizer", facts.tokenizer ? fmt::format("{} entries", facts.tokenizer->entries)
                                    : "no tokenizer.json in the folder");
  return text;
}

}  // namespace peryton
