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

}  // namespace

Normalizer::Normalizer(const nlohmann::json& field, const std::string& where) { add(field, where); }

void Normalizer::add(const nlohmann::json& field, const std::string& where) {
  if (field.is_null()) return;
  const std::string type = field.value("type", "");
  constexpr int kCompatible = UTF8PROC_STABLE | UTF8PROC_COMPAT;
  if (type == "Sequence") {
    for (const auto& step : field.at("normalizers")) add(step, where);
  } else if (type == "NFC") {
    forms_.push_back(UTF8PROC_STABLE | UTF8PROC_COMPOSE);
  } else if (type == "NFD") {
    forms_.push_back(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE);
  } else if (type == "NFKC") {
    forms_.push_back(kCompatible | UTF8PROC_COMPOSE);
  } else if (type == "NFKD") {
    forms_.push_back(kCompatible | UTF8PROC_DECOMPOSE);
  } else {
    fail_input(fmt::format("normalizer: type '{}' is not supported", type), where,
               "supported: NFC, NFD, NFKC, NFKD, Sequence");
  }
}

std::string Normalizer::apply(std::string_view text) const {
  std::string result(text);
  if (is_ascii(text)) return result;  // every normal form leaves ASCII alone
  for (const int options : forms_) result = normal_form(result, options);
  return result;
}

}  // namespace peryton
