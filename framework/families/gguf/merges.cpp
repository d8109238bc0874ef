// SPDX-License-Identifier: Apache-2.0
#include "framework/families/gguf/merges.h"

#include <algorithm>
#include <string_view>
#include <unordered_set>

#include "framework/core/error.h"

namespace peryton::gguf {
namespace {

bool begins_character(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }

}  // namespace

std::vector<std::pair<std::string, std::string>> merges_of(
    const std::vector<std::pair<std::string, double>>& tokens, const std::string& place) {
  std::unordered_set<std::string_view> known;
  std::vector<const std::pair<std::string, double>*> order;
  for (const auto& token : tokens) {
    known.insert(token.first);
    order.push_back(&token);
  }
  std::ranges::stable_sort(order, {}, [](const auto* token) { return -token->second; });
  std::vector<std::pair<std::string, std::string>> merges;
  const std::pair<std::string, double>* before = nullptr;  // the last token that merges make
  for (const auto* token : order) {
    const std::string_view text = token->first;
    bool made = false;
    for (std::size_t cut = 1; cut < text.size(); ++cut) {
      if (!begins_character(text[cut])) continue;
      const std::string_view left = text.substr(0, cut), right = text.substr(cut);
      if (!known.contains(left) || !known.contains(right)) continue;
      merges.emplace_back(left, right);
      made = true;
    }
    if (!made) continue;
    if (before != nullptr && before->second == token->second) {
      fail_input(fmt::format("the tokens '{}' and '{}' have the same score {}, which leaves open "
                             "what merges first",
                             before->first, token->first, token->second),
                 place);
    }
    before = token;
  }
  return merges;
}

}  // namespace peryton::gguf
