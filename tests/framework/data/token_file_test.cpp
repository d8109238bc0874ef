// SPDX-License-Identifier: Apache-2.0
#include "framework/data/token_file.h"

#include <gtest/gtest.h>

#include "framework/data/whole_file.h"
#include "tests/framework/data/test_folder.h"

namespace peryton {
namespace {

using Ids = std::vector<std::int32_t>;

void write_example(const std::filesystem::path& path, std::int32_t vocabulary, bool mask) {
  TokenFileWriter writer(
      path,
      {.vocabulary_size = vocabulary, .end_of_text = 2, .tokenizer_hash = 77, .loss_mask = mask});
  writer.add(Ids{5, 6, 7}, 30,
             mask ? std::vector<std::uint8_t>{0, 1, 0} : std::vector<std::uint8_t>{});
  writer.add(Ids{vocabulary - 1}, 4);
  writer.add(Ids{}, 0);
  writer.finish();
}

class TokenFileKinds : public testing::TestWithParam<std::pair<int, bool>> {};

TEST_P(TokenFileKinds, RoundTrip) {
  const TestFolder folder;
  const auto [vocabulary, mask] = GetParam();
  write_example(folder.path() / "a.tokens", vocabulary, mask);
  const auto file = TokenFile::open(folder.path() / "a.tokens", true);
  Ids ids, learnt;
  for (std::int64_t i = 0; i < file->tokens(); ++i) {
    ids.push_back(file->token(i));
    learnt.push_back(file->learnt(i) ? 1 : 0);
  }
  EXPECT_EQ(ids, (Ids{2, 5, 6, 7, 2, vocabulary - 1, 2}));
  EXPECT_EQ(learnt, mask ? (Ids{1, 0, 1, 0, 1, 1, 1}) : (Ids{1, 1, 1, 1, 1, 1, 1}));
  ASSERT_EQ(file->documents(), 3);
  EXPECT_EQ(file->document_begin(1), 4);
  EXPECT_EQ(file->document_begin(3), 7);
  EXPECT_EQ(file->document_tokens(0), 3);
  EXPECT_EQ(file->document_tokens(2), 0);
  EXPECT_EQ(file->document_bytes(0), 30);
  EXPECT_EQ(file->document_bytes(1), 4);
  for (const auto& [position, document] :
       std::vector<std::pair<int, int>>{{0, 0}, {3, 0}, {4, 1}, {5, 1}, {6, 2}}) {
    EXPECT_EQ(file->document_at(position), document);
  }
  EXPECT_EQ(file->vocabulary_size(), vocabulary);
  EXPECT_EQ(file->end_of_text(), 2);
  EXPECT_EQ(file->tokenizer_hash(), 77u);
  EXPECT_EQ(file->has_loss_mask(), mask);
}

INSTANTIATE_TEST_SUITE_P(Kinds, TokenFileKinds,
                         testing::Values(std::pair(300, false), std::pair(65536, true),
                                         std::pair(65537, false), std::pair(100000, true)));

TEST(TokenFile, EveryDamagedByteIsFound) {
  const TestFolder folder;
  const auto path = folder.path() / "a.tokens";
  write_example(path, 300, true);
  const std::string good = read_whole_file(path);
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x41);
    folder.file("b.tokens", bad);
    const auto message = user_error([&] { TokenFile::open(folder.path() / "b.tokens", true); });
    EXPECT_NE(message.find("b.tokens"), std::string::npos) << message;
    if (at < kTokenFileHeaderBytes)
      user_error([&] { TokenFile::open(folder.path() / "b.tokens"); });
  }
  for (std::size_t bytes = 0; bytes < good.size(); bytes += 7) {
    folder.file("b.tokens", good.substr(0, bytes));
    user_error([&] { TokenFile::open(folder.path() / "b.tokens"); });
  }
  user_error([&] { TokenFile::open(folder.file("b.tokens", good + "x")); });
  user_error([&] { TokenFile::open(folder.path() / "missing"); });
  user_error([&] { TokenFile::open(folder.path()); });
}

TEST(TokenFile, UnfinishedWritersLeaveNothing) {
  const TestFolder folder;
  {
    TokenFileWriter writer(folder.path() / "a.tokens", {.vocabulary_size = 10, .end_of_text = 0});
    writer.add(Ids{1, 2}, 2);
    EXPECT_FALSE(std::filesystem::exists(folder.path() / "a.tokens"));
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  EXPECT_THROW(TokenFileWriter(folder.path() / "no" / "a", {.vocabulary_size = 10}), Error);
}

}  // namespace
}  // namespace peryton
