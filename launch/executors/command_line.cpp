// SPDX-License-Identifier: Apache-2.0
#include "launch/executors/command_line.h"

#include <algorithm>
#include <cctype>

namespace peryton {
namespace {

std::string shell_word(const std::string& word) {
  const auto safe = [](unsigned char c) {
    return std::isalnum(c) ||
           std::string("_-./=:,+@%").find(static_cast<char>(c)) != std::string::npos;
  };
  if (!word.empty() && std::all_of(word.begin(), word.end(), safe)) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

}  // namespace

std::string CommandLine::text() const {
  std::string line;
  for (const auto& [name, value] : environment) line += name + "=" + shell_word(value) + " ";
  for (const std::string& argument : arguments) {
    line += shell_word(argument);
    line += ' ';
  }
  if (!line.empty()) line.pop_back();
  return line;
}

}  // namespace peryton
