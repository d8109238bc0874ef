// `--set a.b=c`.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>

#include "framework/config/names.h"
#include "framework/config/yaml_value.h"
#include "framework/core/error.h"

namespace peryton {
namespace {

std::vector<std::string> split_path(const std::string& path, const std::string& where) {
  std::vector<std::string> parts(1);
  for (const char c : path) {
    if (c == '.' || c == '[') {
      parts.emplace_back();
    } else if (c != ']') {
      parts.back() += c;
    }
  }
  for (const std::string& part : parts) {
    if (part.empty())
      fail_input("a part of the path is empty", where, "write --set section.key=value");
  }
  return parts;
}

std::string label_of(const YamlPtr& item) {
  if (item->kind != YamlValue::Kind::kMap) return "";
  for (const char* key : {"name", "kind"}) {
    if (const YamlEntry* entry = item->find(key)) return entry->value->text;
  }
  return "";
}

// The element that `part` names: a number from 0, or the name (else kind) of a stage.
YamlPtr& element(YamlValue& list, const std::string& part, const std::string& where) {
  std::size_t index = 0;
  const char* end = part.data() + part.size();
  const auto [stop, error] = std::from_chars(part.data(), end, index);
  if (error == std::errc() && stop == end) {
    if (index < list.items.size()) return list.items[index];
    fail_input("the list has " + std::to_string(list.items.size()) + " elements, counted from 0",
               where, "there is no element " + part);
  }
  std::vector<std::string> labels;
  YamlPtr* found = nullptr;
  for (YamlPtr& item : list.items) {
    labels.push_back(label_of(item));
    if (labels.back() != part) continue;
    if (found != nullptr)
      fail_input("several elements are called '" + part + "'", where, "use its number");
    found = &item;
  }
  std::erase(labels, "");
  if (found == nullptr)
    fail_input("no element is called '" + part + "'", where, suggest(part, labels));
  return *found;
}

// The value that `part` names below `parent`, made if the map lacks it.
YamlPtr& step(YamlValue& parent, const std::string& part, const std::string& where) {
  if (parent.kind == YamlValue::Kind::kList) return element(parent, part, where);
  if (parent.kind == YamlValue::Kind::kNull) parent.kind = YamlValue::Kind::kMap;
  if (parent.kind != YamlValue::Kind::kMap) {
    fail_input("'" + part + "' cannot be set: what holds it is " + parent.kind_name(), where,
               "it is at " + parent.where);
  }
  if (YamlEntry* entry = parent.find(part)) return entry->value;
  auto value = std::make_shared<YamlValue>();
  value->where = where;
  parent.entries.push_back({part, where, value});
  return parent.entries.back().value;
}

void place_at(YamlValue& value, const std::string& where) {
  value.where = where;
  for (const YamlPtr& item : value.items) place_at(*item, where);
  for (YamlEntry& entry : value.entries) {
    entry.where = where;
    place_at(*entry.value, where);
  }
}

}  // namespace

void apply_override(YamlValue& root, const std::string& assignment) {
  const std::string where = "--set " + assignment;
  const std::size_t equals = assignment.find('=');
  if (equals == std::string::npos || equals == 0) {
    fail_input("an override is written section.key=value", where);
  }
  const std::string text = assignment.substr(equals + 1);
  if (text.empty()) fail_input("the value is missing", where, "write --set section.key=value");
  YamlPtr value = parse_yaml(text, where);
  place_at(*value, where);
  YamlValue* parent = &root;
  YamlPtr* slot = nullptr;
  for (const std::string& part : split_path(assignment.substr(0, equals), where)) {
    slot = &step(*parent, part, where);
    parent = slot->get();
  }
  *slot = value;
}

}  // namespace peryton
