// SPDX-License-Identifier: Apache-2.0
#include "framework/data/bpe_tokenizer.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "framework/core/error.h"
#include "framework/data/utf8.h"

namespace peryton {
namespace {

// What the common families call the token between documents, in order of preference.
constexpr const char* kEndOfTextNames[] = {"<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>",
                                           "<|end▁of▁sentence|>"};
constexpr std::size_t kLargestVocabulary = std::size_t{1} << 24;

nlohmann::json field_of(const nlohmann::json& json, const char* name) {
  const auto found = json.find(name);
  return found == json.end() ? nlohmann::json() : *found;
}

}  // namespace

BpeTokenizer::BpeTokenizer(std::string text, const nlohmann::json& json, const std::string& where)
    : text_(std::move(text)),
      normalizer_(field_of(json, "normalizer"), where),
      pre_tokenizer_(field_of(json, "pre_tokenizer"), where),
      model_(field_of(json, "model"),
             pre_tokenizer_.byte_level() ? BpeAlphabet::kBytes : BpeAlphabet::kCharacters, where),
      decoder_(field_of(json, "decoder"), pre_tokenizer_.byte_level(), where) {
  const auto added = read_added_tokens(field_of(json, "added_tokens"), where);
  set_token_bytes(added, where);
  std::vector<AddedToken> raw, normalized;
  for (const AddedToken& token : added) (token.normalized ? normalized : raw).push_back(token);
  if (!raw.empty()) raw_tokens_.emplace(std::move(raw), nullptr);
  if (!normalized.empty()) normalized_tokens_.emplace(std::move(normalized), &normalizer_);
}

void BpeTokenizer::set_token_bytes(const std::vector<AddedToken>& added, const std::string& where) {
  const auto put = [&](std::int32_t id, std::string bytes, std::string first_bytes) {
    const auto index = static_cast<std::size_t>(id);
    if (index >= kLargestVocabulary) fail_input(fmt::format("the id {} is too large", id), where);
    if (index >= token_bytes_.size()) token_bytes_.resize(index + 1);
    first_bytes_.erase(id);
    if (first_bytes != bytes) first_bytes_.emplace(id, std::move(first_bytes));
    token_bytes_[index] = std::move(bytes);
  };
  std::unordered_map<std::string, std::int32_t> names;
  for (const auto& [token, id] : model_.vocabulary()) {
    put(id, decoder_.bytes_of(token), decoder_.first_bytes_of(token));
    names.emplace(token, id);
  }
  for (const AddedToken& token : added) {
    const bool plain = pre_tokenizer_.byte_level();
    put(token.id, plain ? token.content : decoder_.bytes_of(token.content),
        plain ? token.content : decoder_.first_bytes_of(token.content));
    names[token.content] = token.id;
  }
  if (token_bytes_.empty()) fail_input("the vocabulary is empty", where);
  for (const char* name : kEndOfTextNames) {
    const auto found = names.find(name);
    if (found == names.end()) continue;
    end_of_text_ = found->second;
    return;
  }
}

std::string BpeTokenizer::decode(std::span<const std::int32_t> ids) const {
  std::string text = decode_continuation(ids);
  if (ids.empty()) return text;
  const auto first = first_bytes_.find(ids.front());
  if (first != first_bytes_.end()) {
    text.replace(0, token_bytes(ids.front()).size(), first->second);
  }
  return decoder_.stripped(std::move(text));
}

void BpeTokenizer::encode_plain(std::string_view text, bool at_start,
                                std::vector<std::int32_t>& ids) const {
  const auto merge = [&](std::string_view word, std::vector<std::int32_t>& out) {
    model_.encode_word(word, out);
  };
  pre_tokenizer_.for_each_word(text, at_start,
                               [&](std::string_view word) { cache_->append(word, ids, merge); });
}

// `part` lies between added tokens, or behind the normaliser; `at_start`: it begins the text.
void BpeTokenizer::encode_normalized(std::string_view part, bool at_start,
                                     std::vector<std::int32_t>& ids) const {
  if (!normalized_tokens_) return encode_plain(part, at_start, ids);
  normalized_tokens_->split(part, [&](std::string_view piece, const AddedToken* token) {
    if (token != nullptr) return ids.push_back(token->id);
    encode_plain(piece, at_start && piece.data() == part.data(), ids);
  });
}

std::vector<std::int32_t> BpeTokenizer::encode(std::string_view text) const {
  check_utf8(text, "text to tokenize");
  std::vector<std::int32_t> ids;
  const auto encode_part = [&](std::string_view part) {
    const bool at_start = part.data() == text.data();
    if (normalizer_.empty()) return encode_normalized(part, at_start, ids);
    encode_normalized(normalizer_.apply(part), at_start, ids);
  };
  if (!raw_tokens_) {
    encode_part(text);
    return ids;
  }
  raw_tokens_->split(text, [&](std::string_view piece, const AddedToken* token) {
    token == nullptr ? encode_part(piece) : ids.push_back(token->id);
  });
  return ids;
}

}  // namespace peryton
