// SPDX-License-Identifier: Apache-2.0
#include "framework/data/added_tokens.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "framework/core/error.h"
#include "framework/data/utf8.h"

namespace peryton {
namespace {

bool is_word_or_joiner(char32_t code) { return is_word(code) || code == 0x200C || code == 0x200D; }

bool stands_alone(std::string_view text, std::size_t begin, std::size_t end) {
  const bool left = begin == 0 || !is_word_or_joiner(character_before(text, begin).code);
  return left && (end == text.size() || !is_word_or_joiner(character_at(text, end).code));
}

}  // namespace

std::vector<AddedToken> read_added_tokens(const nlohmann::json& field, const std::string& where) {
  std::vector<AddedToken> tokens;
  if (field.is_null()) return tokens;
  for (const auto& entry : field) {
    AddedToken token;
    token.id = entry.at("id").get<std::int32_t>();
    token.content = entry.at("content").get<std::string>();
    token.special = entry.value("special", false);
    token.normalized = entry.value("normalized", !token.special);
    token.single_word = entry.value("single_word", false);
    token.lstrip = entry.value("lstrip", false);
    token.rstrip = entry.value("rstrip", false);
    if (token.id < 0) {
      fail_input(fmt::format("added_tokens: '{}' has the id {}", token.content, token.id), where);
    }
    if (!token.content.empty()) tokens.push_back(std::move(token));
  }
  return tokens;
}

AddedTokenFinder::AddedTokenFinder(std::vector<AddedToken> tokens, const Normalizer* normalizer)
    : tokens_(std::move(tokens)) {
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    if (normalizer != nullptr) tokens_[i].content = normalizer->apply(tokens_[i].content);
    if (tokens_[i].content.empty()) continue;
    by_first_byte_[static_cast<std::uint8_t>(tokens_[i].content.front())].push_back(
        static_cast<std::uint32_t>(i));
  }
  for (auto& candidates : by_first_byte_) {
    std::stable_sort(candidates.begin(), candidates.end(), [&](std::uint32_t a, std::uint32_t b) {
      return tokens_[a].content.size() > tokens_[b].content.size();
    });
  }
}

const AddedToken* AddedTokenFinder::match_at(std::string_view text, std::size_t at) const {
  for (const std::uint32_t i : by_first_byte_[static_cast<std::uint8_t>(text[at])]) {
    if (text.substr(at).starts_with(tokens_[i].content)) return &tokens_[i];
  }
  return nullptr;
}

void AddedTokenFinder::split(
    std::string_view text,
    const std::function<void(std::string_view, const AddedToken*)>& piece) const {
  std::size_t done = 0;
  for (std::size_t at = 0; at < text.size();) {
    const AddedToken* token = match_at(text, at);
    if (token == nullptr) {
      ++at;
      continue;
    }
    std::size_t begin = at, end = at + token->content.size();
    at = end;
    if (token->single_word && !stands_alone(text, begin, end)) continue;
    while (token->lstrip && begin > done && is_white_space(character_before(text, begin).code)) {
      begin -= character_before(text, begin).bytes;
    }
    while (token->rstrip && end < text.size() && is_white_space(character_at(text, end).code)) {
      end += character_at(text, end).bytes;
    }
    begin = std::max(begin, done);
    if (done < begin) piece(text.substr(done, begin - done), nullptr);
    piece(text.substr(begin, end - begin), token);
    done = end;
  }
  if (done < text.size()) piece(text.substr(done), nullptr);
}

}  // namespace peryton
