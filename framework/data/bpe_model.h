// The merging part of byte-pair encoding (Sennrich et al. 2016) over bytes: a word becomes its
// bytes, then the neighbours with the lowest rank are joined, leftmost first, until no neighbours
// have a rank.
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

class BpeModel {
 public:
  // From the `model` of a tokenizer.json. Throws kUserInput naming the field that is wrong or not
  // supported.
  BpeModel(const nlohmann::json& field, const std::string& where);

  // Appends the ids of one word, given as bytes. Thread-safe.
  void encode_word(std::string_view word, std::vector<std::int32_t>& ids) const;

  // Every token with its id, spelt as in the file (in the byte alphabet).
  const std::unordered_map<std::string, std::int32_t>& vocabulary() const { return vocabulary_; }

 private:
  struct Merge {
    std::int32_t rank = 0;
    std::int32_t id = 0;
  };

  void read_vocabulary(const nlohmann::json& field, const std::string& where);
  void read_merges(const nlohmann::json& field, const std::string& where);
  void add_merge(const std::string& left, const std::string& right, std::int32_t rank,
                 const std::string& where);
  void append_bytes(std::string_view word, std::vector<std::int32_t>& symbols) const;
  void merge_short(std::vector<std::int32_t>& symbols) const;
  void merge_long(std::vector<std::int32_t>& symbols) const;

  std::unordered_map<std::string, std::int32_t> vocabulary_;
  std::unordered_map<std::string, std::int32_t>
      whole_words_;                           // by bytes, where merges may be skipped
  std::array<std::int32_t, 256> byte_ids_{};  // -1: not in the vocabulary
  std::int32_t unknown_ = -1;                 // stands for such bytes; -1: they vanish
  bool fuse_unknown_ = false;                 // one for a run of them
  PairTable<Merge> merges_;
};

}  // namespace peryton
