// The `decoder` of a tokenizer.json: what the tokens stand for.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace peryton {

class TokenDecoder {
 public:
  // From the json of the field: ByteLevel; Metaspace; or a Sequence of Replace, ByteFallback, Fuse
  // and Strip in this order, each of which may be missing. `byte_level`: the vocabulary is written
  // in the byte alphabet, for which null means ByteLevel. Throws kUserInput for anything else.
  TokenDecoder(const nlohmann::json& field, bool byte_level, const std::string& where);

  // The bytes of one token, given as it is spelt in the vocabulary.
  std::string bytes_of(const std::string& token) const;
  // The same for the first token of a text.
  std::string first_bytes_of(const std::string& token) const;
  // Strips both ends of a whole text.
  std::string stripped(std::string text) const;

 private:
  void add(const nlohmann::json& field, const std::string& where);
  void add_strip(const nlohmann::json& field, const std::string& where);

  bool byte_level_ = false;
  std::vector<std::pair<std::string, std::string>> replacements_;
  bool byte_fallback_ = false;    // "<0x0A>" is a line feed
  bool fused_ = false;            // seen while reading
  std::string dropped_at_start_;  // of Metaspace: its replacement, which the first token loses
  std::string strip_;             // the character that is stripped; empty: none
  std::size_t strip_start_ = 0, strip_stop_ = 0;  // how many of them at most
};

// The byte that a token "<0x0A>" of a vocabulary with byte fallback stands for; -1: it is no such
// token.
int byte_of_fallback(std::string_view token);

}  // namespace peryton
