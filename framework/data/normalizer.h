// The `normalizer` of a tokenizer.json: Unicode normal forms.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace peryton {

class Normalizer {
 public:
  // From the json of the field (null: no change). Throws kUserInput for kinds other than NFC, NFD,
  // NFKC, NFKD and sequences of them.
  Normalizer() = default;
  Normalizer(const nlohmann::json& field, const std::string& where);

  bool empty() const { return forms_.empty(); }
  std::string apply(std::string_view text) const;  // `text` must be UTF-8

 private:
  void add(const nlohmann::json& field, const std::string& where);

  std::vector<int> forms_;  // options of utf8proc, one set for each step
};

}  // namespace peryton
