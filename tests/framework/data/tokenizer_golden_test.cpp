// Ids against the `tokenizers` library: tests/golden/tokenizers/make_tokenizers.py made the files.
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "framework/data/bpe_trainer.h"
#include "framework/data/tokenizer.h"
#include "framework/data/whole_file.h"

namespace peryton {
namespace {

const std::filesystem::path kGolden = std::filesystem::path(PERYTON_GOLDEN_DIR) / "tokenizers";

nlohmann::json read_json(const std::string& name) {
  return nlohmann::json::parse(read_whole_file(kGolden / name));
}

void expect_ids(const Tokenizer& tokenizer, const nlohmann::json& texts,
                const nlohmann::json& expected) {
  ASSERT_EQ(texts.size(), expected.size());
  ASSERT_GE(texts.size(), 200u);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto text = texts[i].get<std::string>();
    EXPECT_EQ(tokenizer.encode(text), expected[i].get<std::vector<std::int32_t>>())
        << "text " << i << ": " << texts[i];
  }
}

class TokenizerGolden : public testing::TestWithParam<const char*> {};

TEST_P(TokenizerGolden, SameIds) {
  const std::string name = GetParam();
  const auto tokenizer = load_tokenizer(kGolden / (name + ".tokenizer.json"));
  expect_ids(*tokenizer, read_json("texts.json"), read_json(name + ".ids.json"));
}

INSTANTIATE_TEST_SUITE_P(Configurations, TokenizerGolden,
                         testing::Values("gpt2", "neox", "smollm", "llama3", "prefix", "odd",
                                         "splits", "unknown"),
                         [](const auto& info) { return std::string(info.param); });

class CharacterGolden : public testing::TestWithParam<const char*> {};

// make_characters.py made these; `ids` and `decoded` are of both lists of texts.
TEST_P(CharacterGolden, SameIdsAndBack) {
  const std::string name = GetParam();
  const auto tokenizer = load_tokenizer(kGolden / (name + ".tokenizer.json"));
  const auto golden = read_json(name + ".ids.json");
  auto texts = read_json("texts.json");
  for (const auto& text : read_json("characters.texts.json")) texts.push_back(text);
  expect_ids(*tokenizer, texts, golden.at("ids"));
  for (const char* kind : {"", "random_"}) {
    const auto& ids = golden.at(std::string(kind) + "ids");
    const auto& decoded = golden.at(std::string(kind) + "decoded");
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const auto row = ids[i].get<std::vector<std::int32_t>>();
      EXPECT_EQ(tokenizer->decode(row), decoded[i].get<std::string>()) << kind << "ids " << ids[i];
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Configurations, CharacterGolden,
                         testing::Values("llama2", "mistral", "metaspace-always", "metaspace-never",
                                         "gemma", "digits-first"));

class TrainingGolden : public testing::TestWithParam<bool> {};

// The same text gives the same merges in the same order as the library's own trainer.
TEST_P(TrainingGolden, SameMergesAndIds) {
  const auto golden = read_json(GetParam() ? "trained-digits.json" : "trained-plain.json");
  const std::string corpus = read_whole_file(kGolden / "corpus.txt");
  const std::string_view texts[] = {corpus};
  const std::string json = train_bpe(texts, {.vocabulary = 1200, .split_digits = GetParam()});
  const auto model = nlohmann::json::parse(json).at("model");
  EXPECT_EQ(model.at("merges"), golden.at("merges"));
  const auto& tokens = golden.at("tokens");
  ASSERT_EQ(model.at("vocab").size(), tokens.size());
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    EXPECT_EQ(model.at("vocab").at(tokens[id].get<std::string>()), id);
  }
  expect_ids(*parse_tokenizer(json, "trained"), read_json("texts.json"), golden.at("ids"));
}

INSTANTIATE_TEST_SUITE_P(Configurations, TrainingGolden, testing::Bool());

}  // namespace
}  // namespace peryton
