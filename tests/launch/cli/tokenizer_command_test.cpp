// `peryton tokenizer` and `peryton tokenize` from end to end, in this process.
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "framework/data/token_file.h"
#include "framework/data/tokenizer.h"
#include "launch/cli/commands.h"

namespace peryton {
namespace {

namespace fs = std::filesystem;
using Strings = std::vector<std::string>;

const fs::path kGolden = fs::path(PERYTON_GOLDEN_DIR) / "tokenizers";

struct Outcome {
  int code;
  std::string out, err;
};

Outcome run(const Strings& arguments) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  const int code = run_command_line(arguments);
  return {code, testing::internal::GetCapturedStdout(), testing::internal::GetCapturedStderr()};
}

std::string slurp(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

class TokenizerCommand : public testing::Test {
 protected:
  TokenizerCommand()
      : folder_(fs::temp_directory_path() / ("peryton-cli-" + std::to_string(getpid()))) {
    fs::create_directories(folder_);
  }
  ~TokenizerCommand() override { fs::remove_all(folder_); }

  std::string file(const std::string& name, const std::string& contents) const {
    std::ofstream(folder_ / name, std::ios::binary) << contents;
    return (folder_ / name).string();
  }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  fs::path folder_;
};

TEST_F(TokenizerCommand, EncodesLikeTheLibraryAndDecodesBack) {
  const auto texts = nlohmann::json::parse(slurp(kGolden / "texts.json"));
  const auto expected = nlohmann::json::parse(slurp(kGolden / "smollm.ids.json"));
  std::string lines;
  for (const auto& text : texts) lines += nlohmann::json({{"text", text}}).dump() + "\n";
  const std::string tokenizer = (kGolden / "smollm.tokenizer.json").string();
  const auto encoded =
      run({"tokenizer", "encode", "--tokenizer", tokenizer, "--jsonl", file("in.jsonl", lines)});
  ASSERT_EQ(encoded.code, 0) << encoded.err;
  std::istringstream ids(encoded.out);
  std::string line;
  for (const auto& list : expected) {
    ASSERT_TRUE(std::getline(ids, line));
    EXPECT_EQ(nlohmann::json::parse(line), list);
  }
  EXPECT_FALSE(std::getline(ids, line));
  const auto decoded = run(
      {"tokenizer", "decode", "--tokenizer", tokenizer, "--jsonl", file("ids.jsonl", encoded.out)});
  ASSERT_EQ(decoded.code, 0) << decoded.err;
  std::istringstream back(decoded.out);
  for (const auto& text : texts) {
    ASSERT_TRUE(std::getline(back, line));
    EXPECT_EQ(nlohmann::json::parse(line).at("text"), text);
  }
}

TEST_F(TokenizerCommand, LearnsAndTokenizes) {
  const std::string corpus = (kGolden / "corpus.txt").string();
  const auto trained =
      run({"tokenizer", "train", "--vocabulary", "600", "--out", path("t.json"), corpus});
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_EQ(nlohmann::json::parse(trained.out).at("vocabulary"), 600);
  const auto tokenizer = load_tokenizer(path("t.json"));
  const auto written = run({"tokenize", "--tokenizer", path("t.json"), "--out", path("c.tokens"),
                            "--documents", "lines:10", "--threads", "2", corpus});
  ASSERT_EQ(written.code, 0) << written.err;
  const auto tokens = TokenFile::open(path("c.tokens"), true);
  EXPECT_EQ(nlohmann::json::parse(written.out).at("tokens"), tokens->tokens());
  std::string text;
  for (std::int64_t i = 0; i < tokens->tokens(); ++i) {
    if (tokens->token(i) != *tokenizer->end_of_text())
      text += tokenizer->token_bytes(tokens->token(i));
  }
  EXPECT_EQ(text, slurp(corpus));
}

TEST_F(TokenizerCommand, PromptAndCompletionGetALossMask) {
  const auto lines =
      file("pairs", "{\"q\": \"2+2=\", \"a\": \"4\"}\n{\"q\": \"ab\", \"a\": \"c\"}\n");
  const auto written = run({"tokenize", "--tokenizer", "byte", "--out", path("p.tokens"), "--jsonl",
                            lines, "--prompt", "q", "--completion", "a"});
  ASSERT_EQ(written.code, 0) << written.err;
  const auto tokens = TokenFile::open(path("p.tokens"), true);
  std::string spelt, learnt;
  for (std::int64_t i = 0; i < tokens->tokens(); ++i) {
    const std::int32_t id = tokens->token(i);
    spelt += id == 256 ? '|' : static_cast<char>(id);
    learnt += tokens->learnt(i) ? '1' : '0';
  }
  EXPECT_EQ(spelt, "|2+2=4|abc");
  EXPECT_EQ(learnt, "1000011001");
  EXPECT_EQ(tokens->document_bytes(0), 1);
}

TEST_F(TokenizerCommand, MistakesOfTheUserExitWith2) {
  const std::string good = file("good.jsonl", "{\"text\": \"a\"}\n");
  const auto fails = [&](const Strings& arguments, const std::string& part) {
    const auto outcome = run(arguments);
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    EXPECT_NE(outcome.err.find(part), std::string::npos) << outcome.err;
  };
  fails({"tokenizer"}, "needs an action");
  fails({"tokenizer", "learn"}, "unknown action 'learn'");
  fails({"tokenizer", "encode", "--jsonl", good}, "--tokenizer");
  fails({"tokenizer", "encode", "--tokenizer", "byte", "--json", good}, "--json");
  fails({"tokenizer", "encode", "--tokenizer", "byte", "--jsonl", path("none")}, "none");
  fails({"tokenizer", "encode", "--tokenizer", path("none"), "--jsonl", good}, "no such file");
  fails({"tokenizer", "encode", "--tokenizer", "byte", "--jsonl", good, "--field", "body"},
        "good.jsonl:1");
  fails({"tokenizer", "decode", "--tokenizer", "byte", "--jsonl", file("d", "[1]\n[300]\n")},
        "d:2");
  fails({"tokenizer", "decode", "--tokenizer", "byte", "--jsonl", file("e", "[1]\n{}\n")}, "e:2");
  fails({"tokenizer", "train", "--out", path("t.json")}, "no text is named");
  fails({"tokenizer", "train", "--vocabulary", "many", good}, "many");
  fails({"tokenizer", "train", "--vocabulary", "12", "--out", path("t.json"), good}, "too small");
  fails(
      {"tokenize", "--tokenizer", "byte", "--out", path("x.tokens"), file("latin.txt", "caf\xE9")},
      "byte 3");
  fails({"tokenize", "--tokenizer", "byte", "--out", path("x.tokens"), file("empty.txt", "")},
        "no text");
  EXPECT_FALSE(fs::exists(path("x.tokens")));
  EXPECT_FALSE(fs::exists(path("x.tokens.partial")));
  EXPECT_FALSE(fs::exists(path("t.json")));
  EXPECT_EQ(run({"tokenizer", "encode", "--help"}).code, 0);
}

}  // namespace
}  // namespace peryton
