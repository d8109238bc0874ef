// SPDX-License-Identifier: Apache-2.0
#include "framework/data/tokenizer.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "framework/core/rng.h"
#include "framework/data/bpe_model.h"
#include "framework/data/bpe_trainer.h"
#include "framework/data/byte_alphabet.h"
#include "framework/data/whole_file.h"
#include "tests/framework/data/test_folder.h"

namespace peryton {
namespace {

const std::filesystem::path kGolden = std::filesystem::path(PERYTON_GOLDEN_DIR) / "tokenizers";

std::string corpus() { return read_whole_file(kGolden / "corpus.txt"); }

TEST(ByteTokenizer, BytesAndEndOfText) {
  const auto tokenizer = byte_tokenizer();
  EXPECT_EQ(tokenizer->vocabulary_size(), 257);
  EXPECT_EQ(tokenizer->end_of_text(), 256);
  EXPECT_EQ(tokenizer->encode("a\né"), (std::vector<std::int32_t>{'a', '\n', 0xC3, 0xA9}));
  EXPECT_EQ(tokenizer->encode("a<|endoftext|>"), (std::vector<std::int32_t>{'a', 256}));
  EXPECT_EQ(tokenizer->decode(tokenizer->encode(corpus())), corpus());
  const auto again = parse_tokenizer(tokenizer->json(), "again");
  EXPECT_EQ(again->encode("any text"), tokenizer->encode("any text"));
  EXPECT_EQ(again->hash(), tokenizer->hash());
}

TEST(Tokenizer, DecodeReversesEncode) {
  const auto texts = nlohmann::json::parse(read_whole_file(kGolden / "texts.json"));
  for (const char* name :
       {"gpt2", "smollm", "llama3"}) {  // those without normaliser and prefix space
    const auto tokenizer = load_tokenizer(kGolden / (std::string(name) + ".tokenizer.json"));
    EXPECT_EQ(tokenizer->end_of_text(), 0);
    for (const auto& text : texts) {
      EXPECT_EQ(tokenizer->decode(tokenizer->encode(text.get<std::string>())),
                text.get<std::string>());
    }
  }
}

TEST(Tokenizer, ThreadsShareOne) {
  const auto tokenizer = load_tokenizer(kGolden / "gpt2.tokenizer.json");
  const std::string text = corpus();
  const auto expected = load_tokenizer(kGolden / "gpt2.tokenizer.json")->encode(text);
  std::vector<std::vector<std::int32_t>> results(4);
  {
    std::vector<std::jthread> threads;
    for (auto& result : results) threads.emplace_back([&] { result = tokenizer->encode(text); });
  }
  for (const auto& result : results) EXPECT_EQ(result, expected);
}

// Words longer than the limit go through a heap: the same ids as rank by rank over the whole word.
TEST(BpeModel, LongWordsMergeLikeShortOnes) {
  const std::string json =
      train_bpe(std::vector<std::string_view>{"aaab aab abab abaab baab bbba aaaa ababab aabb"},
                {.vocabulary = 275, .min_count = 1});
  const auto model_json = nlohmann::json::parse(json).at("model");
  const BpeModel model(model_json, BpeAlphabet::kBytes, "test");
  const auto merges = model_json.at("merges").get<std::vector<std::string>>();
  const Rng rng(7, RandomPurpose::kTest);
  for (std::uint64_t trial = 0; trial < 60; ++trial) {
    std::string word;
    for (std::uint64_t i = 0; i < 40 + 2 * trial; ++i)
      word += rng.bits(trial << 32 | i) % 3 == 0 ? 'b' : 'a';
    // The definition: for each merge in order of rank, join its pairs from left to right.
    std::vector<std::string> symbols;
    for (const char c : word) symbols.emplace_back(1, c);
    for (const auto& merge : merges) {
      const std::string left = merge.substr(0, merge.find(' ')),
                        right = merge.substr(merge.find(' ') + 1);
      for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
        if (symbols[i] != left || symbols[i + 1] != right) continue;
        symbols[i] += right;
        symbols.erase(symbols.begin() + static_cast<long>(i) + 1);
      }
    }
    std::vector<std::int32_t> expected, ids;
    for (const auto& symbol : symbols) expected.push_back(model.vocabulary().at(symbol));
    model.encode_word(word, ids);
    EXPECT_EQ(ids, expected) << "seed 7, trial " << trial << ": " << word;
  }
}

TEST(BpeTraining, DoesNotDependOnOrderOrThreads) {
  const std::string text = corpus();
  std::vector<std::string_view> forward, backward;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    forward.push_back(std::string_view(text).substr(at, end - at));
    at = end + 1;
  }
  backward.assign(forward.rbegin(), forward.rend());
  EXPECT_EQ(train_bpe(forward, {.vocabulary = 600, .threads = 1}),
            train_bpe(backward, {.vocabulary = 600, .threads = 3}));
}

TEST(BpeTraining, StopsWhereNothingRepeats) {
  const std::string_view text = "ab ab cd";
  const auto tokenizer = parse_tokenizer(train_bpe({&text, 1}, {.vocabulary = 4096}), "trained");
  EXPECT_EQ(tokenizer->vocabulary_size(), 258);  // "ab" alone is seen twice
  EXPECT_NE(user_error([&] {
              train_bpe({&text, 1}, {.vocabulary = 200});
            }).find("257"),
            std::string::npos);
  EXPECT_NE(user_error([&] { train_bpe({}, {}); }).find("no text"), std::string::npos);
}

TEST(Tokenizer, RefusesWhatItDoesNotUnderstand) {
  const auto base = nlohmann::json::parse(read_whole_file(kGolden / "gpt2.tokenizer.json"));
  const auto message = [&](const char* pointer, const nlohmann::json& value) {
    auto changed = base;
    changed[nlohmann::json::json_pointer(pointer)] = value;
    return user_error([&] { parse_tokenizer(changed.dump(), "x/tokenizer.json"); });
  };
  const auto expect = [](const std::string& text, const char* part) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
    EXPECT_NE(text.find("x/tokenizer.json"), std::string::npos) << text;
  };
  expect(message("/model/type", "Unigram"), "model: type 'Unigram'");
  expect(message("/model/dropout", 0.1), "model.dropout");
  expect(message("/model/end_of_word_suffix", "</w>"), "model.end_of_word_suffix");
  expect(message("/model/merges", {"a"}), "model.merges[0]");
  expect(message("/model/merges", {"a Qxyz"}), "Qxyz");
  expect(message("/model/merges", 3), "model.merges");
  expect(message("/model/vocab", nullptr), "model.vocab");
  expect(message("/model/vocab/a", -3), "model.vocab");
  expect(message("/model/vocab/a", "seven"), "model.vocab");
  expect(message("/model/unk_token", "[UNK]"), "model.unk_token");
  expect(message("/normalizer", {{"type", "BertNormalizer"}}), "normalizer: type 'BertNormalizer'");
  expect(message("/normalizer", {{"type", "Replace"}, {"pattern", {{"String", ""}}}}),
         "normalizer: the pattern is an empty string");
  expect(message("/pre_tokenizer", nullptr), "decoder: type 'ByteLevel'");
  expect(message("/pre_tokenizer", {{"type", "Metaspace"}}), "decoder: type 'ByteLevel'");
  expect(message("/pre_tokenizer", {{"type", "Whitespace"}}), "pre_tokenizer: type 'Whitespace'");
  expect(message("/decoder", {{"type", "WordPiece"}}), "decoder: type 'WordPiece'");
  expect(message("/added_tokens", {{{"content", "x"}}}), "missing or of the wrong type");
  EXPECT_NE(user_error([] { parse_tokenizer("{\"model\": {", "t"); }).find("not JSON"),
            std::string::npos);
  EXPECT_NE(user_error([] { parse_tokenizer("[]", "t"); }).find("no `model`"), std::string::npos);
  EXPECT_NE(user_error([] { load_tokenizer("/nowhere/t.json"); }).find("no such file"),
            std::string::npos);
}

TEST(Tokenizer, RefusesWhatItDoesNotUnderstandOfCharacters) {
  const auto base = nlohmann::json::parse(read_whole_file(kGolden / "mistral.tokenizer.json"));
  const auto expect = [&](const char* pointer, const nlohmann::json& value, const char* part) {
    auto changed = base;
    changed[nlohmann::json::json_pointer(pointer)] = value;
    const auto text = user_error([&] { parse_tokenizer(changed.dump(), "x/tokenizer.json"); });
    EXPECT_NE(text.find(part), std::string::npos) << text;
    EXPECT_NE(text.find("x/tokenizer.json"), std::string::npos) << text;
  };
  const nlohmann::json fuse = {{"type", "Fuse"}}, bytes = {{"type", "ByteFallback"}};
  const nlohmann::json strip = {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}};
  const nlohmann::json replace = {
      {"type", "Replace"}, {"pattern", {{"String", "_"}}}, {"content", ""}};
  expect("/decoder", nullptr, "decoder: none");
  expect("/decoder", {{"type", "ByteLevel"}}, "decoder: type 'ByteLevel'");
  expect("/decoder", {{"type", "CTC"}}, "decoder: type 'CTC'");
  expect("/decoder/decoders", nlohmann::json::array({strip}), "Strip without Fuse");
  expect("/decoder/decoders", nlohmann::json::array({fuse, strip, strip}), "a second Strip");
  expect("/decoder/decoders", nlohmann::json::array({fuse, replace}), "a 'Replace' step");
  expect("/decoder/decoders", nlohmann::json::array({bytes, replace}), "a 'Replace' step");
  expect("/decoder/decoders/0/pattern", {{"Regex", "_"}}, "a Replace whose pattern is no String");
  expect("/pre_tokenizer/prepend_scheme", "last", "prepend_scheme 'last'");
  expect("/pre_tokenizer/replacement", "__", "not one character");
  expect("/pre_tokenizer/add_prefix_space", false, "disagree");
  expect("/pre_tokenizer",
         {{"type", "Sequence"}, {"pretokenizers", {{{"type", "Metaspace"}}, {{"type", "Digits"}}}}},
         "a 'Digits' step behind Metaspace");
  expect("/model/merges", {"a Qxyz"}, "Qxyz");
}

// A text without a word border is one word: its merging must not be quadratic, nor give other ids
// than the merging of its parts where no merge crosses them.
TEST(Tokenizer, LongTextsWithoutWords) {
  const auto tokenizer = load_tokenizer(kGolden / "llama2.tokenizer.json");
  std::string line, text;
  for (int i = 0; i < 40; ++i) line += "In the beginning God created the heaven ";
  line += "\n";  // a byte token, which merges with nothing
  while (text.size() < 400'000) text += line;
  const auto once = tokenizer->encode("\n" + line);
  const std::vector<std::int32_t> unit(once.begin() + 2, once.end());  // behind "▁", "\n"
  const auto ids = tokenizer->encode("\n" + text);
  ASSERT_EQ(ids.size(), 2 + unit.size() * (text.size() / line.size()));
  for (std::size_t i = 2; i < ids.size(); ++i) ASSERT_EQ(ids[i], unit[(i - 2) % unit.size()]) << i;
  EXPECT_EQ(tokenizer->decode(ids), "\n" + text);
}

TEST(Tokenizer, ContinuationsKeepTheirSpace) {
  const auto tokenizer = load_tokenizer(kGolden / "llama2.tokenizer.json");
  const auto ids = tokenizer->encode("created");
  EXPECT_EQ(tokenizer->decode(ids), "created");
  EXPECT_EQ(tokenizer->decode_continuation(ids), " created");
  EXPECT_EQ(tokenizer->end_of_text(), 2);
}

TEST(Tokenizer, RefusesBadTextAndIds) {
  const auto tokenizer = byte_tokenizer();
  EXPECT_NE(user_error([&] { tokenizer->encode("abc\xFF"); }).find("byte 3"), std::string::npos);
  const std::int32_t ids[] = {65, 257};
  EXPECT_NE(user_error([&] { tokenizer->decode(ids); }).find("257"), std::string::npos);
}

TEST(ByteAlphabet, IsABijection) {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes += static_cast<char>(byte);
  EXPECT_EQ(from_byte_alphabet(to_byte_alphabet(bytes)), bytes);
  EXPECT_EQ(to_byte_alphabet(" a\n"), "ĠaĊ");
  EXPECT_FALSE(from_byte_alphabet("a b").has_value());
}

}  // namespace
}  // namespace peryton
