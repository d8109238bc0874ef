// The merging part of byte-pair encoding (Sennrich et al. 2016): a word becomes its bytes or its
// characters, then the neighbours with the lowest rank are joined, leftmost first, until no
// neighbours have a rank.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "framework/data/pair_table.h"

namespace peryton {

// What the vocabulary is written in: GPT-2's stand-ins for bytes, or plain characters (as of
// SentencePiece), of which unknown ones fall back to the tokens of their bytes, "<0x00>" to
// "<0xFF>", where the model has byte_fallback.
enum class BpeAlphabet { kBytes, kCharacters };

class BpeModel {
 public:
  // From the `model` of a tokenizer.json. Throws kUserInput naming the field that is wrong or not
  // supported.
  BpeModel(const nlohmann::json& field, BpeAlphabet alphabet, const std::string& where);

  // Appends the ids of one word, given as bytes (UTF-8 where the alphabet is kCharacters).
  // O(n log n) in its length. Thread-safe.
  void encode_word(std::string_view word, std::vector<std::int32_t>& ids) const;

  // Every token with its id, spelt as in the file.
  const std::unordered_map<std::string, std::int32_t>& vocabulary() const { return vocabulary_; }

 private:
  struct Merge {
    std::int32_t rank = 0;
    std::int32_t id = 0;
  };

  void read_vocabulary(const nlohmann::json& field, const std::string& where);
  void add_token(const std::string& token, std::int32_t id, bool skip_merges);
  void read_unknown(const nlohmann::json& field, const std::string& where);
  void read_merges(const nlohmann::json& field, const std::string& where);
  void add_merge(const std::string& left, const std::string& right, std::int32_t rank,
                 const std::string& where);
  void append_bytes(std::string_view word, std::vector<std::int32_t>& symbols) const;
  void append_characters(std::string_view word, std::vector<std::int32_t>& symbols) const;
  bool append_fallback(std::string_view character, std::vector<std::int32_t>& symbols) const;
  void merge_short(std::vector<std::int32_t>& symbols) const;
  void merge_long(std::vector<std::int32_t>& symbols) const;

  BpeAlphabet alphabet_;
  std::unordered_map<std::string, std::int32_t> vocabulary_;
  std::unordered_map<std::string, std::int32_t>
      whole_words_;  // by bytes, where merges may be skipped
  std::array<std::int32_t, 256>
      byte_ids_{};  // of bytes, or to fall back; -1: not in the vocabulary
  std::unordered_map<char32_t, std::int32_t> character_ids_;
  bool byte_fallback_ = false;
  std::int32_t unknown_ = -1;  // stands for what is missing; -1: that vanishes
  bool fuse_unknown_ = false;  // one for a run of them
  PairTable<Merge> merges_;
};

}  // namespace peryton
