// A YAML document as an own tree in which every value and key knows where it was written. yaml-cpp
// only parses: its nodes accept duplicate keys, change when looked at, and lose positions of what
// is missing.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace peryton {

struct YamlValue;
using YamlPtr = std::shared_ptr<YamlValue>;

struct YamlEntry {
  std::string key;
  std::string where;  // of the key
  YamlPtr value;
};

struct YamlValue {
  enum class Kind { kNull, kText, kList, kMap };
  Kind kind = Kind::kNull;
  std::string text;     // kText
  bool quoted = false;  // "12" is text, 12 a number
  std::string where;    // "my.yaml:12:3", or "--set a.b=c"
  std::vector<YamlPtr> items;
  std::vector<YamlEntry> entries;

  // The entry of a map with that key, or nullptr.
  YamlEntry* find(const std::string& key);
  const char* kind_name() const;
};

// Parses one document. `name` stands for the file in `where`. Syntax errors, duplicate keys, merge
// keys, keys that are not text and a second document are the user's errors.
YamlPtr parse_yaml(const std::string& text, const std::string& name);

// Sets one value of a document: "a.b=c" or "stages.2.lr=1e-3", "stages[2].lr=1e-3"; a list element
// may also be named by its `name` or `kind`. The value is YAML. Missing maps on the way are made,
// so an unknown key is found by the reader, which then names this override as the place.
void apply_override(YamlValue& root, const std::string& assignment);

// Plain scalars become null, booleans, numbers (counts such as 5M too) or strings as they look.
nlohmann::json to_json(const YamlValue& value);

}  // namespace peryton
