// Typed reading of a flat JSON object, with errors that name file and key.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string>

#include "framework/core/error.h"

namespace peryton::mamba2 {

class JsonReader {
 public:
  JsonReader(const nlohmann::json& json, std::string where)
      : json_(json), where_(std::move(where)) {}

  bool has(const char* key) const { return json_.contains(key) && !json_.at(key).is_null(); }

  // A positive integer; missing: the fallback.
  std::int64_t count(const char* key, std::int64_t fallback) const {
    return has(key) ? count(key) : fallback;
  }
  std::int64_t count(const char* key) const {
    if (!has(key)) fail_input(fmt::format("key '{}' is missing", key), where_);
    const nlohmann::json& value = json_.at(key);
    const bool good = value.is_number_integer() && value.get<std::int64_t>() > 0;
    if (!good)
      fail_input(fmt::format("'{}' is {}; it is a positive integer", key, value.dump()), where_);
    return value.get<std::int64_t>();
  }
  double number(const char* key, double fallback) const {
    return has(key) ? as_number(key, json_.at(key)) : fallback;
  }
  bool flag(const char* key, bool fallback) const {
    if (!has(key)) return fallback;
    const nlohmann::json& value = json_.at(key);
    if (!value.is_boolean()) {
      fail_input(fmt::format("'{}' is {}; it is true or false", key, value.dump()), where_);
    }
    return value.get<bool>();
  }
  // [low, high]; transformers 5 writes infinity as {"__float__": "Infinity"}.
  void range(const char* key, double& low, double& high) const {
    if (!has(key)) return;
    const nlohmann::json& value = json_.at(key);
    if (!value.is_array() || value.size() != 2) {
      fail_input(fmt::format("'{}' is {}; it is a pair of numbers", key, value.dump()), where_);
    }
    low = as_number(key, value[0]);
    high = as_number(key, value[1]);
    if (!(low >= 0 && low <= high)) {
      fail_input(fmt::format("'{}' needs 0 <= low <= high", key), where_);
    }
  }
  [[noreturn]] void refuse(const std::string& message, const std::string& hint = "") const {
    fail_input(message, where_, hint);
  }

 private:
  double as_number(const char* key, const nlohmann::json& value) const {
    if (value.is_number()) return value.get<double>();
    if (value.is_object() && value.value("__float__", "") == "Infinity") {
      return std::numeric_limits<double>::infinity();
    }
    fail_input(fmt::format("'{}' holds {}, which is no number", key, value.dump()), where_);
  }

  const nlohmann::json& json_;
  std::string where_;
};

}  // namespace peryton::mamba2
