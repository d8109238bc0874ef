// JSONL: a file with one JSON value on each line.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

namespace peryton {

// Calls take(value, "path:line") for each line that is not blank. Throws kUserInput naming file and
// line where one is not UTF-8 (with the byte's offset in the file) or not JSON.
void for_each_json_line(const std::filesystem::path& path,
                        const std::function<void(const nlohmann::json&, const std::string&)>& take);

// The text of a field of a line. Throws kUserInput at `where` where the line is no object or the
// field is missing or not a string.
std::string json_text_field(const nlohmann::json& line, const std::string& name,
                            const std::string& where);

}  // namespace peryton
