// The `normalizer` of a tokenizer.json: Unicode normal forms, replacing, and a text in front.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "framework/data/pattern.h"

namespace peryton {

class Normalizer {
 public:
  // From the json of the field (null: no change). Throws kUserInput for kinds other than NFC, NFD,
  // NFKC, NFKD, Prepend, Replace and sequences of them.
  Normalizer() = default;
  Normalizer(const nlohmann::json& field, const std::string& where);

  bool empty() const { return steps_.empty(); }
  std::string apply(std::string_view text) const;  // `text` must be UTF-8

 private:
  struct Step {
    int form = 0;                    // options of utf8proc; 0: not a normal form
    std::optional<Pattern> pattern;  // what is replaced by `text`; without it `text` goes in front
    std::string text;
  };
  void add(const nlohmann::json& field, const std::string& where);

  std::vector<Step> steps_;
};

// The `pattern` of a Replace or Split, {"String": ...} or {"Regex": ...}; `owner` names it in
// errors. Throws kUserInput where it is neither, empty or wrong.
Pattern read_pattern(const nlohmann::json& field, const char* owner, const std::string& where);

}  // namespace peryton
