// SPDX-License-Identifier: Apache-2.0
#include "framework/data/json_lines.h"

#include <fstream>
#include <string_view>

#include "framework/core/error.h"
#include "framework/data/utf8.h"

namespace peryton {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

nlohmann::json parse_line(const std::string& line, const std::string& where) {
  try {
    return nlohmann::json::parse(line);
  } catch (const nlohmann::json::parse_error& error) {
    fail_input(fmt::format("not JSON, byte {} of the line", error.byte), where,
               "every line must be one JSON value");
  }
}

}  // namespace

void for_each_json_line(
    const std::filesystem::path& path,
    const std::function<void(const nlohmann::json&, const std::string&)>& take) {
  if (!std::filesystem::exists(path)) fail_input("no such file", path.string());
  std::ifstream in(path, std::ios::binary);
  if (!in || std::filesystem::is_directory(path)) fail_input("cannot be read", path.string());
  std::string line;
  std::size_t count = 0, offset = 0;
  while (std::getline(in, line)) {
    const std::string where = fmt::format("{}:{}", path.string(), ++count);
    const std::size_t wrong = find_invalid_utf8(line);
    if (wrong != std::string::npos) {
      fail_input(fmt::format("not UTF-8: byte {} of the file is wrong", offset + wrong), where);
    }
    offset += line.size() + 1;
    if (count == 1 && line.starts_with(kByteOrderMark)) line.erase(0, kByteOrderMark.size());
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    take(parse_line(line, where), where);
  }
}

std::string json_text_field(const nlohmann::json& line, const std::string& name,
                            const std::string& where) {
  if (!line.is_object())
    fail_input("not a JSON object", where, "every line must be one JSON object");
  const auto found = line.find(name);
  if (found == line.end()) {
    std::string names;
    for (const auto& [key, value] : line.items()) names += (names.empty() ? "" : ", ") + key;
    fail_input(fmt::format("no field '{}'", name), where, "the line has: " + names);
  }
  if (!found->is_string()) {
    fail_input(fmt::format("field '{}' is not text but {}", name, found->type_name()), where);
  }
  return found->get<std::string>();
}

}  // namespace peryton
