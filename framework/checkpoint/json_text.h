// JSON as Hugging Face writes it: Python's json also emits Infinity, -Infinity and NaN, which the
// standard and our parser refuse. Reading turns them into floating-point values, writing puts them
// back.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace peryton {

// `where` names the source in errors ("config.json"); the line is appended. A syntax error, invalid
// UTF-8 or a key that stands twice in one object is the user's error.
nlohmann::json parse_json(std::string_view text, const std::string& where);
nlohmann::json read_json_file(const std::filesystem::path& path);
// Indented by two, keys sorted, with a final newline.
std::string json_to_text(const nlohmann::json& value);

}  // namespace peryton
