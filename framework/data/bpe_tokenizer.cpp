// SPDX-License-Identifier: Apache-2.0
#include "framework/data/bpe_tokenizer.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "framework/core/error.h"
#include "framework/data/byte_alphabet.h"
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

void check_decoder(const nlohmann::json& decoder, const std::string& where) {
  if (decoder.is_null()) return;
  const std::string type = decoder.value("type", "");
  if (type != "ByteLevel")
    fail_input(fmt::format("decoder: type '{}' is not supported", type), where);
}

}  // namespace

BpeTokenizer::BpeTokenizer(std::string text, const nlohmann::json& json, const std::string& where)
    : text_(std::move(text)),
      normalizer_(field_of(json, "normalizer"), where),
      pre_tokenizer_(field_of(json, "pre_tokenizer"), where),
      model_(field_of(json, "model"), where) {
  check_decoder(field_of(json, "decoder"), where);
  const auto added = read_added_tokens(field_of(json, "added_tokens"), where);
  set_token_bytes(added, where);
  std::vector<AddedToken> raw, normalized;
  for (const AddedToken& token : added) (token.normalized ? normalized : raw).push_back(token);
  if (!raw.empty()) raw_tokens_.emplace(std::move(raw), nullptr);
  if (!normalized.empty()) normalized_tokens_.emplace(std::move(normalized), &normalizer_);
}

void BpeTokenizer::set_token_bytes(const std::vector<AddedToken>& added, const std::string& where) {
  const auto put = [&](std::int32_t id, std::string bytes) {
    const auto index = static_cast<std::size_t>(id);
    if (index >= kLargestVocabulary) fail_input(fmt::format("the id {} is too large", id), where);
    if (index >= token_bytes_.size()) token_bytes_.resize(index + 1);
    token_bytes_[index] = std::move(bytes);
  };
  std::unordered_map<std::string, std::int32_t> names;
  for (const auto& [token, id] : model_.vocabulary()) {
    put(id, from_byte_alphabet(token).value_or(token));
    names.emplace(token, id);
  }
  for (const AddedToken& token : added) {
    put(token.id, token.content);
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

void BpeTokenizer::encode_plain(std::string_view text, std::vector<std::int32_t>& ids) const {
  const auto merge = [&](std::string_view word, std::vector<std::int32_t>& out) {
    model_.encode_word(word, out);
  };
  pre_tokenizer_.for_each_word(text,
                               [&](std::string_view word) { cache_->append(word, ids, merge); });
}

std::vector<std::int32_t> BpeTokenizer::encode(std::string_view text) const {
  check_utf8(text, "text to tokenize");
  std::vector<std::int32_t> ids;
  const auto behind_normalizer = [&](std::string_view part) {
    if (!normalized_tokens_) return encode_plain(part, ids);
    normalized_tokens_->split(part, [&](std::string_view piece, const AddedToken* token) {
      token == nullptr ? encode_plain(piece, ids) : ids.push_back(token->id);
    });
  };
  const auto before_normalizer = [&](std::string_view part) {
    if (normalizer_.empty()) return behind_normalizer(part);
    behind_normalizer(normalizer_.apply(part));
  };
  if (!raw_tokens_) {
    before_normalizer(text);
    return ids;
  }
  raw_tokens_->split(text, [&](std::string_view piece, const AddedToken* token) {
    token == nullptr ? before_normalizer(piece) : ids.push_back(token->id);
  });
  return ids;
}

}  // namespace peryton
