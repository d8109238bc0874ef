// SPDX-License-Identifier: Apache-2.0
#include "framework/data/tokenizer.h"

#include <xxhash.h>

#include <nlohmann/json.hpp>

#include "framework/core/error.h"
#include "framework/data/bpe_tokenizer.h"
#include "framework/data/byte_alphabet.h"
#include "framework/data/tokenizer_json.h"
#include "framework/data/whole_file.h"

namespace peryton {

std::string Tokenizer::decode_continuation(std::span<const std::int32_t> ids) const {
  std::string text;
  for (const std::int32_t id : ids) {
    if (id < 0 || id >= vocabulary_size()) {
      fail_input(fmt::format("token id {} is outside the vocabulary of {}", id, vocabulary_size()));
    }
    text += token_bytes(id);
  }
  return text;
}

std::uint64_t Tokenizer::hash() const { return XXH3_64bits(json().data(), json().size()); }

std::unique_ptr<Tokenizer> parse_tokenizer(std::string text, const std::string& where) {
  nlohmann::json json;
  try {
    json = nlohmann::json::parse(text);
  } catch (const nlohmann::json::parse_error& error) {
    fail_input(fmt::format("not JSON: {}", error.what()), where);
  }
  if (!json.is_object() || !json.contains("model")) {
    fail_input("not a tokenizer.json: it has no `model`", where);
  }
  try {
    return std::make_unique<BpeTokenizer>(std::move(text), json, where);
  } catch (const nlohmann::json::exception& error) {
    fail_input(fmt::format("a field is missing or of the wrong type: {}", error.what()), where);
  }
}

std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& path) {
  const auto file = std::filesystem::is_directory(path) ? path / "tokenizer.json" : path;
  return parse_tokenizer(read_whole_file(file), file.string());
}

std::unique_ptr<Tokenizer> byte_tokenizer() {
  BpeDescription description;
  for (int byte = 0; byte < 256; ++byte) {
    description.vocabulary.push_back(std::string(1, static_cast<char>(byte)));
  }
  description.end_of_text = 256;
  description.words = BpeDescription::Words::kWhole;
  return parse_tokenizer(tokenizer_json(description), "byte tokenizer");
}

}  // namespace peryton
