// A Hugging Face tokenizer.json of the BPE kind: byte-level, or SentencePiece's with or without
// byte fallback.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "framework/data/added_tokens.h"
#include "framework/data/bpe_model.h"
#include "framework/data/normalizer.h"
#include "framework/data/pre_tokenizer.h"
#include "framework/data/token_decoder.h"
#include "framework/data/tokenizer.h"
#include "framework/data/word_cache.h"

namespace peryton {

// encode: added tokens are cut out of the text, the rest is normalised, added tokens that asked for
// the normalised text are cut out, the rest is cut into words, each word is merged. The fields
// truncation, padding and post_processor are not applied: they add nothing to the ids of the text
// itself.
class BpeTokenizer : public Tokenizer {
 public:
  // `text`: the contents of the file; `json`: the same, parsed; `where` names it in errors.
  BpeTokenizer(std::string text, const nlohmann::json& json, const std::string& where);

  std::vector<std::int32_t> encode(std::string_view text) const override;
  std::int32_t vocabulary_size() const override {
    return static_cast<std::int32_t>(token_bytes_.size());
  }
  std::optional<std::int32_t> end_of_text() const override { return end_of_text_; }
  std::string decode(std::span<const std::int32_t> ids) const override;
  const std::string& token_bytes(std::int32_t id) const override {
    return token_bytes_[static_cast<std::size_t>(id)];
  }
  const std::string& json() const override { return text_; }

 private:
  void set_token_bytes(const std::vector<AddedToken>& added, const std::string& where);
  void encode_plain(std::string_view text, bool at_start, std::vector<std::int32_t>& ids) const;
  void encode_normalized(std::string_view part, bool at_start,
                         std::vector<std::int32_t>& ids) const;

  std::string text_;
  Normalizer normalizer_;
  PreTokenizer pre_tokenizer_;
  BpeModel model_;
  TokenDecoder decoder_;
  std::optional<AddedTokenFinder> raw_tokens_, normalized_tokens_;
  std::vector<std::string> token_bytes_;
  std::unordered_map<std::int32_t, std::string> first_bytes_;  // where a text's first token differs
  std::optional<std::int32_t> end_of_text_;
  std::unique_ptr<WordCache> cache_ = std::make_unique<WordCache>();
};

}  // namespace peryton
