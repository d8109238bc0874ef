// SPDX-License-Identifier: Apache-2.0
#include "framework/config/yaml_value.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "framework/config/units.h"
#include "framework/core/error.h"

namespace peryton {
namespace {

constexpr int kMaxDepth = 40;
constexpr int kMaxValues = 200'000;  // aliases can blow a small file up without end

class Converter {
 public:
  explicit Converter(const std::string& name) : name_(name) {}

  YamlPtr convert(const YAML::Node& node, int depth) {
    auto value = std::make_shared<YamlValue>();
    value->where = place(node.Mark());
    if (depth > kMaxDepth || ++values_ > kMaxValues) {
      fail_input("the document is nested or repeated beyond reason", value->where,
                 "an alias (*name) that holds itself, perhaps");
    }
    if (node.IsMap()) {
      value->kind = YamlValue::Kind::kMap;
      convert_map(node, *value, depth);
    } else if (node.IsSequence()) {
      value->kind = YamlValue::Kind::kList;
      for (const YAML::Node& item : node) value->items.push_back(convert(item, depth + 1));
    } else if (node.IsScalar()) {
      value->kind = YamlValue::Kind::kText;
      value->text = node.Scalar();
      value->quoted = node.Tag() == "!";
    }
    return value;
  }

 private:
  std::string place(const YAML::Mark& mark) const {
    if (mark.is_null()) return name_;
    return fmt::format("{}:{}:{}", name_, mark.line + 1,
                       mark.column + 1);  // yaml-cpp counts from 0
  }

  void convert_map(const YAML::Node& node, YamlValue& map, int depth) {
    for (const auto& pair : node) {
      const std::string where = place(pair.first.Mark());
      if (!pair.first.IsScalar()) fail_input("a key must be text", where);
      const std::string key = pair.first.Scalar();
      if (key == "<<") fail_input("merge keys (<<) are not supported", where, "write the keys out");
      if (const YamlEntry* first = map.find(key)) {
        fail_input("duplicate key '" + key + "'", where, "the first one is at " + first->where);
      }
      map.entries.push_back({key, where, convert(pair.second, depth + 1)});
    }
  }

  const std::string& name_;
  int values_ = 0;
};

nlohmann::json scalar_to_json(const YamlValue& value) {
  if (value.quoted) return value.text;
  if (value.text == "true") return true;
  if (value.text == "false") return false;
  if (const auto count = parse_count(value.text)) {
    const bool written_as_real = value.text.find_first_of(".eE") != std::string::npos;
    if (!written_as_real) return *count;
  }
  if (const auto number = parse_number(value.text)) return *number;
  if (const auto count = parse_count(value.text)) return *count;
  return value.text;
}

}  // namespace

YamlEntry* YamlValue::find(const std::string& key) {
  for (YamlEntry& entry : entries) {
    if (entry.key == key) return &entry;
  }
  return nullptr;
}

const char* YamlValue::kind_name() const {
  switch (kind) {
    case Kind::kNull:
      return "nothing";
    case Kind::kText:
      return quoted ? "quoted text" : "a single value";
    case Kind::kList:
      return "a list";
    case Kind::kMap:
      return "a map";
  }
  return "?";
}

YamlPtr parse_yaml(const std::string& text, const std::string& name) {
  std::vector<YAML::Node> documents;
  try {
    documents = YAML::LoadAll(text);
  } catch (const YAML::Exception& error) {
    const bool placed = !error.mark.is_null();
    const bool tab = text.find('\t') != std::string::npos;
    fail_input(
        "not valid YAML: " + error.msg,
        placed ? fmt::format("{}:{}:{}", name, error.mark.line + 1, error.mark.column + 1) : name,
        tab ? "the file contains tabs; YAML indents with spaces only" : "");
  }
  if (documents.empty()) fail_input("the file is empty", name);
  if (documents.size() > 1) {
    fail_input("more than one YAML document (a line ---)", name, "one file is one pipeline");
  }
  return Converter(name).convert(documents.front(), 0);
}

nlohmann::json to_json(const YamlValue& value) {
  switch (value.kind) {
    case YamlValue::Kind::kNull:
      return nullptr;
    case YamlValue::Kind::kText:
      return scalar_to_json(value);
    case YamlValue::Kind::kList: {
      auto list = nlohmann::json::array();
      for (const YamlPtr& item : value.items) list.push_back(to_json(*item));
      return list;
    }
    case YamlValue::Kind::kMap: {
      auto map = nlohmann::json::object();
      for (const YamlEntry& entry : value.entries) map[entry.key] = to_json(*entry.value);
      return map;
    }
  }
  return nullptr;
}

}  // namespace peryton
