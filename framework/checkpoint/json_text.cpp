// SPDX-License-Identifier: Apache-2.0
#include "framework/checkpoint/json_text.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <set>
#include <vector>

#include "framework/checkpoint/files.h"
#include "framework/core/error.h"

namespace peryton {
namespace {

constexpr int kMaxDepth = 200;  // nobody nests deeper; keeps the recursive walks below on the stack

struct Special {
  std::string_view word;
  double value;
};
constexpr std::array<Special, 3> kSpecials = {{
    {"-Infinity", -std::numeric_limits<double>::infinity()},
    {"Infinity", std::numeric_limits<double>::infinity()},
    {"NaN", std::numeric_limits<double>::quiet_NaN()},
}};

// A text that stands nowhere in `text`, to mark the words that JSON lacks.
std::string unused_marker(std::string_view text) {
  std::string marker = "~number~";
  while (text.find(marker) != std::string_view::npos) marker += "~";
  return marker;
}

std::string place(const std::string& where, std::string_view text, std::size_t byte) {
  const auto end = text.begin() + static_cast<std::ptrdiff_t>(std::min(byte, text.size()));
  return fmt::format("{}:{}", where, 1 + std::count(text.begin(), end, '\n'));
}

// The text with each special word outside of strings replaced by a marked string.
std::string mark_specials(std::string_view text, const std::string& marker,
                          const std::string& where) {
  std::string marked;
  marked.reserve(text.size() + 64);
  bool in_string = false;
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      marked += c;
      if (c == '\\' && i + 1 < text.size()) marked += text[++i];
      if (c == '"') in_string = false;
      continue;
    }
    const auto special = std::ranges::find_if(
        kSpecials, [&](const Special& s) { return text.substr(i).starts_with(s.word); });
    if (special != kSpecials.end()) {
      marked += '"' + marker + std::string(special->word) + '"';
      i += special->word.size() - 1;
      continue;
    }
    in_string = c == '"';
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
    if (depth > kMaxDepth) fail_input("nested too deeply", place(where, text, i));
    marked += c;
  }
  return marked;
}

void unmark_specials(nlohmann::json& value, const std::string& marker) {
  if (value.is_structured()) {
    for (auto& child : value) unmark_specials(child, marker);
  } else if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    if (!text.starts_with(marker)) return;
    for (const Special& special : kSpecials) {
      if (std::string_view(text).substr(marker.size()) == special.word) {
        value = special.value;
        return;
      }
    }
  }
}

void replace_specials(nlohmann::json& value, const std::string& marker) {
  if (value.is_structured()) {
    for (auto& child : value) replace_specials(child, marker);
  } else if (value.is_number_float() && !std::isfinite(value.get<double>())) {
    const double number = value.get<double>();
    value = marker + (std::isnan(number) ? "NaN" : number > 0 ? "Infinity" : "-Infinity");
  }
}

// nlohmann's message without its own prefix.
std::string reason_of(const nlohmann::json::exception& error) {
  std::string text = error.what();
  for (const std::string_view prefix : {"] ", ": "}) {
    const std::size_t at = text.find(prefix);
    if (at != std::string::npos) text.erase(0, at + prefix.size());
  }
  return text;
}

}  // namespace

nlohmann::json parse_json(std::string_view text, const std::string& where) {
  const std::string marker = unused_marker(text);
  const std::string marked = mark_specials(text, marker, where);
  std::vector<std::set<std::string>> open_objects;
  const auto reject_repeats = [&](int, nlohmann::json::parse_event_t event, nlohmann::json& value) {
    using Event = nlohmann::json::parse_event_t;
    if (event == Event::object_start) open_objects.emplace_back();
    if (event == Event::object_end) open_objects.pop_back();
    if (event == Event::key && !open_objects.back().insert(value.get<std::string>()).second) {
      fail_input(fmt::format("key '{}' stands twice", value.get<std::string>()), where);
    }
    return true;
  };
  try {
    nlohmann::json value = nlohmann::json::parse(marked, reject_repeats);
    unmark_specials(value, marker);
    return value;
  } catch (const nlohmann::json::parse_error& error) {
    fail_input("is not valid JSON: " + reason_of(error), place(where, marked, error.byte));
  } catch (const nlohmann::json::exception& error) {
    fail_input("is not valid JSON: " + reason_of(error), where);
  }
}

nlohmann::json read_json_file(const std::filesystem::path& path) {
  return parse_json(read_file(path), path.string());
}

std::string json_to_text(const nlohmann::json& value) {
  const std::string marker = unused_marker(value.dump());
  nlohmann::json marked = value;
  replace_specials(marked, marker);
  std::string text = marked.dump(2) + "\n";
  for (const Special& special : kSpecials) {
    const std::string quoted = '"' + marker + std::string(special.word) + '"';
    for (std::size_t at = text.find(quoted); at != std::string::npos; at = text.find(quoted, at)) {
      text.replace(at, quoted.size(), special.word);
    }
  }
  return text;
}

}  // namespace peryton
