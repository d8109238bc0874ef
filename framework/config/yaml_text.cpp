// Writes YAML. Only what the configuration needs: maps, lists, text, numbers, booleans.
// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "framework/config/config_json.h"
#include "framework/config/units.h"

namespace peryton {
namespace {

constexpr std::size_t kFlowWidth = 100;

bool reads_as_text(const std::string& text) {
  if (text.empty() || text == "true" || text == "false" || text == "null" || text == "~")
    return false;
  return !parse_number(text) && !parse_count(text);
}

// Only what cannot be mistaken for anything else goes without quotes.
bool is_plain(const std::string& text) {
  const auto safe = [](unsigned char c) {
    return std::isalnum(c) || c == '_' || c == '/' || c == '.' || c == '-';
  };
  if (!std::all_of(text.begin(), text.end(), safe)) return false;
  return reads_as_text(text) &&
         (std::isalpha(static_cast<unsigned char>(text.front())) || text.front() == '/');
}

// Percentages are numbers that JSON has no way to write: they stay as they are.
bool is_percentage(const std::string& text) {
  return text.ends_with('%') && parse_number(text).has_value();
}

std::string scalar(const OrderedJson& json) {
  if (json.is_number_float()) return fmt::format("{}", json.get<double>());
  if (!json.is_string()) return json.dump();
  const std::string text = json.get<std::string>();
  // A JSON string is a double-quoted YAML scalar.
  return is_plain(text) || is_percentage(text) ? text : json.dump();
}

std::string flow(const OrderedJson& json) {
  if (!json.is_structured()) return scalar(json);
  std::string text;
  for (const auto& [key, value] : json.items()) {
    if (!text.empty()) text += ", ";
    if (json.is_object()) text += scalar(key) + ": ";
    text += flow(value);
  }
  return json.is_object() ? "{" + text + "}" : "[" + text + "]";
}

void block(const OrderedJson& json, int indent, std::string& out) {
  const std::string space(static_cast<std::size_t>(indent), ' ');
  for (const auto& [key, value] : json.items()) {
    const std::string head = space + (json.is_object() ? scalar(key) + ":" : "-");
    const std::string line = head + " " + flow(value);
    if (!value.is_structured() || value.empty() || line.size() <= kFlowWidth) {
      out += line + "\n";
      continue;
    }
    out += head + "\n";
    block(value, indent + 2, out);
  }
}

}  // namespace

std::string yaml_text(const OrderedJson& json) {
  std::string out;
  block(json, 0, out);
  return out;
}

}  // namespace peryton
