// Typed reading of a model's config.json or of the settings of a fresh one. Whatever is wrong is
// the user's error and names file and key. A null is a missing key.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace peryton {

class ConfigReader {
 public:
  // `json` must outlive the reader; `where` names it in errors. Anything but an object is refused.
  ConfigReader(const nlohmann::json& json, std::string where);

  bool has(const std::string& key) const;
  std::int64_t count(const std::string& key) const;  // a positive integer, required
  std::int64_t count(const std::string& key, std::int64_t fallback) const;
  double number(const std::string& key, double fallback) const;  // finite
  bool flag(const std::string& key, bool fallback) const;
  std::string text(const std::string& key, const std::string& fallback) const;
  // Refuses a key that is not in the list, and shows the list.
  void allow_only(std::initializer_list<std::string_view> keys) const;

  [[noreturn]] void refuse(const std::string& message, const std::string& hint = "") const;

 private:
  const nlohmann::json& json_;
  std::string where_;
};

}  // namespace peryton
