// SPDX-License-Identifier: Apache-2.0
#include "framework/families/config_reader.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "framework/core/error.h"

namespace peryton {

ConfigReader::ConfigReader(const nlohmann::json& json, std::string where)
    : json_(json), where_(std::move(where)) {
  if (!json_.is_object()) refuse("a model's configuration is a JSON object", "");
}

bool ConfigReader::has(const std::string& key) const {
  const auto found = json_.find(key);
  return found != json_.end() && !found->is_null();
}

std::int64_t ConfigReader::count(const std::string& key) const {
  if (!has(key)) refuse(fmt::format("'{}' is missing", key));
  const nlohmann::json& value = json_.at(key);
  // No size of a model is larger (the longest contexts come near), and products do not overflow.
  constexpr std::int64_t kLargest = std::int64_t{1} << 24;
  const bool good = value.is_number_integer() && value.get<std::int64_t>() > 0 &&
                    value.get<std::int64_t>() < kLargest;
  if (!good) refuse(fmt::format("'{}' is {}, not a positive integer", key, value.dump()));
  return value.get<std::int64_t>();
}

std::int64_t ConfigReader::count(const std::string& key, std::int64_t fallback) const {
  return has(key) ? count(key) : fallback;
}

double ConfigReader::number(const std::string& key, double fallback) const {
  if (!has(key)) return fallback;
  const nlohmann::json& value = json_.at(key);
  if (!value.is_number() || !std::isfinite(value.get<double>())) {
    refuse(fmt::format("'{}' is {}, not a number", key, value.dump()));
  }
  return value.get<double>();
}

bool ConfigReader::flag(const std::string& key, bool fallback) const {
  if (!has(key)) return fallback;
  const nlohmann::json& value = json_.at(key);
  if (!value.is_boolean()) refuse(fmt::format("'{}' is {}, not true or false", key, value.dump()));
  return value.get<bool>();
}

std::string ConfigReader::text(const std::string& key, const std::string& fallback) const {
  if (!has(key)) return fallback;
  const nlohmann::json& value = json_.at(key);
  if (!value.is_string()) refuse(fmt::format("'{}' is {}, not text", key, value.dump()));
  return value.get<std::string>();
}

void ConfigReader::allow_only(std::initializer_list<std::string_view> keys) const {
  for (const auto& [key, value] : json_.items()) {
    if (std::ranges::find(keys, std::string_view(key)) != keys.end()) continue;
    refuse(fmt::format("unknown key '{}'", key),
           fmt::format("known keys: {}", fmt::join(keys, ", ")));
  }
}

void ConfigReader::refuse(const std::string& message, const std::string& hint) const {
  fail_input(message, where_, hint);
}

}  // namespace peryton
