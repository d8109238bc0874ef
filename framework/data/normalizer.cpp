// SPDX-License-Identifier: Apache-2.0
#include "framework/data/normalizer.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "framework/core/error.h"

namespace peryton {
namespace {

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; });
}

std::string normal_form(std::string_view text, int options) {
  utf8proc_uint8_t* out = nullptr;
  const utf8proc_ssize_t bytes = utf8proc_map(
      reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
      static_cast<utf8proc_ssize_t>(text.size()), &out, static_cast<utf8proc_option_t>(options));
  if (bytes < 0) fail_system(utf8proc_errmsg(bytes), "Unicode normalisation");
  std::string result(reinterpret_cast<const char*>(out), static_cast<std::size_t>(bytes));
  std::free(out);
  return result;
}

std::string replaced(std::string_view text, const Pattern& pattern, const std::string& with) {
  std::string result;
  std::size_t previous = 0;
  pattern.for_each_match(text, [&](std::size_t begin, std::size_t end) {
    result += text.substr(previous, begin - previous);
    result += with;
    previous = end;
  });
  result += text.substr(previous);
  return result;
}

}  // namespace

Pattern read_pattern(const nlohmann::json& field, const char* owner, const std::string& where) {
  const auto& pattern = field.at("pattern");
  if (pattern.contains("Regex")) return Pattern(pattern.at("Regex").get<std::string>(), where);
  if (!pattern.contains("String")) {
    fail_input(fmt::format("{}: a pattern is neither Regex nor String", owner), where);
  }
  const std::string literal = pattern.at("String").get<std::string>();
  if (literal.empty()) fail_input(fmt::format("{}: the pattern is an empty string", owner), where);
  return Pattern::literal(literal);
}

Normalizer::Normalizer(const nlohmann::json& field, const std::string& where) { add(field, where); }

void Normalizer::add(const nlohmann::json& field, const std::string& where) {
  if (field.is_null()) return;
  const std::string type = field.value("type", "");
  constexpr int kCompatible = UTF8PROC_STABLE | UTF8PROC_COMPAT;
  const auto form = [&](int options) { steps_.push_back({options, std::nullopt, ""}); };
  if (type == "Sequence") {
    for (const auto& step : field.at("normalizers")) add(step, where);
  } else if (type == "NFC") {
    form(UTF8PROC_STABLE | UTF8PROC_COMPOSE);
  } else if (type == "NFD") {
    form(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE);
  } else if (type == "NFKC") {
    form(kCompatible | UTF8PROC_COMPOSE);
  } else if (type == "NFKD") {
    form(kCompatible | UTF8PROC_DECOMPOSE);
  } else if (type == "Prepend") {
    steps_.push_back({0, std::nullopt, field.at("prepend").get<std::string>()});
  } else if (type == "Replace") {
    steps_.push_back(
        {0, read_pattern(field, "normalizer", where), field.at("content").get<std::string>()});
  } else {
    fail_input(fmt::format("normalizer: type '{}' is not supported", type), where,
               "supported: NFC, NFD, NFKC, NFKD, Prepend, Replace, Sequence");
  }
}

std::string Normalizer::apply(std::string_view text) const {
  std::string result(text);
  for (const Step& step : steps_) {
    if (step.form != 0) {
      // Every normal form leaves ASCII alone.
      if (!is_ascii(result)) result = normal_form(result, step.form);
    } else if (step.pattern) {
      result = replaced(result, *step.pattern, step.text);
    } else if (!result.empty()) {
      result.insert(0, step.text);
    }
  }
  return result;
}

}  // namespace peryton
