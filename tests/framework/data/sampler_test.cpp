// SPDX-License-Identifier: Apache-2.0
#include "framework/data/sampler.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "framework/core/rng.h"
#include "framework/data/permutation.h"
#include "tests/framework/data/test_folder.h"

namespace peryton {
namespace {

using Ids = std::vector<std::int32_t>;

constexpr std::int32_t kEnd = 0;

// Documents of the given lengths with the ids first, first + 1, ...: every token of the file but
// the end-of-text ones is unique.
std::shared_ptr<const TokenFile> file_of(const std::filesystem::path& path,
                                         const std::vector<int>& lengths, std::int32_t first = 1,
                                         bool mask = false) {
  TokenFileWriter writer(path, {.vocabulary_size = 60000, .end_of_text = kEnd, .loss_mask = mask});
  for (const int length : lengths) {
    Ids ids;
    std::vector<std::uint8_t> learnt;
    for (int i = 0; i < length; ++i) {
      ids.push_back(first++);
      learnt.push_back(i % 3 == 0 ? 0 : 1);
    }
    writer.add(ids, 2 * length, mask ? learnt : std::vector<std::uint8_t>{});
  }
  writer.finish();
  return TokenFile::open(path);
}

TEST(Permutation, IsOneForEverySize) {
  for (std::uint64_t size = 1; size < 70; ++size) {
    const Permutation order(Rng(size, RandomPurpose::kTest), size);
    std::set<std::uint64_t> seen;
    for (std::uint64_t i = 0; i < size; ++i) seen.insert(order(i));
    EXPECT_EQ(seen.size(), size);
    EXPECT_LT(*seen.rbegin(), size);
  }
}

TEST(Permutation, LooksRandom) {
  // Expected fixed points of a random permutation: 1 each, so 400 +- 20 over 400 keys (Poisson).
  int fixed = 0;
  for (std::uint64_t key = 0; key < 400; ++key) {
    const Permutation order(Rng(key, RandomPurpose::kTest), 100);
    for (std::uint64_t i = 0; i < 100; ++i) fixed += order(i) == i ? 1 : 0;
  }
  EXPECT_NEAR(fixed, 400, 5 * 20);
}

TEST(TokenSource, RowsFollowTheRing) {
  const TestFolder folder;
  const auto file = file_of(folder.path() / "a", {5, 1, 30, 0, 7, 12});
  const TokenSource source({{file, 0}}, 9);
  Ids ring;
  for (std::int64_t i = 0; i < file->tokens(); ++i) ring.push_back(file->token(i));
  for (std::int64_t index = 0; index < 40; ++index) {
    const TokenRow row = source.sample(index, 8);
    ASSERT_EQ(row.ids.size(), 9u);
    ASSERT_EQ(row.document_start.size(), 8u);
    EXPECT_EQ(row.loss_mask, std::vector<std::uint8_t>(8, 1));
    Ids doubled = ring;
    doubled.insert(doubled.end(), ring.begin(), ring.end());
    EXPECT_NE(std::search(doubled.begin(), doubled.end(), row.ids.begin(), row.ids.end()),
              doubled.end());
    std::int32_t start = 0;
    for (int t = 0; t < 8; ++t) {
      if (row.ids[static_cast<std::size_t>(t)] == kEnd)
        start = t;  // the end-of-text opens the next document
      EXPECT_EQ(row.document_start[static_cast<std::size_t>(t)], start);
    }
  }
}

TEST(TokenSource, AnEpochVisitsEveryWindowOnce) {
  const TestFolder folder;
  const auto file = file_of(folder.path() / "a", {99, 49, 49});  // 200 tokens
  const TokenSource source({{file, 0}}, 4);
  for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
    std::map<std::int32_t, int> seen;
    for (std::int64_t i = 0; i < 20; ++i) {
      const auto row = source.sample(epoch * 20 + i, 10);
      for (int t = 0; t < 10; ++t) ++seen[row.ids[static_cast<std::size_t>(t)]];
    }
    EXPECT_EQ(seen.size(), 198u);
    for (const auto& [id, count] : seen) EXPECT_EQ(count, id == kEnd ? 3 : 1);
  }
  EXPECT_NE(source.sample(0, 10).ids, source.sample(20, 10).ids);
}

TEST(TokenSource, PureFunctionOfSeedAndIndex) {
  const TestFolder folder;
  const auto file = file_of(folder.path() / "a", {300, 200});
  const TokenSource one({{file, 0}}, 4), same({{file, 0}}, 4), other({{file, 0}}, 5);
  int differing = 0;
  for (const std::int64_t index : {17, 3, 100000, 0}) {
    EXPECT_EQ(one.sample(index, 16).ids, same.sample(index, 16).ids);
    differing += one.sample(index, 16).ids != other.sample(index, 16).ids ? 1 : 0;
  }
  EXPECT_GT(differing, 0);
}

TEST(TokenSource, BlendsByWeight) {
  const TestFolder folder;
  const auto a = file_of(folder.path() / "a", {500}, 1),
             b = file_of(folder.path() / "b", {900}, 10000);
  const auto share = [](const TokenSource& source, int count) {
    int first = 0;
    for (int i = 0; i < count; ++i) first += source.sample(i, 4).ids[2] < 10000 ? 1 : 0;
    return static_cast<double>(first) / count;
  };
  EXPECT_NEAR(share(TokenSource({{a, 3}, {b, 1}}, 1), 400), 0.75, 0.02);
  EXPECT_NEAR(share(TokenSource({{a, 0}, {b, 0}}, 1), 4096), 501.0 / 1402, 0.01);
  // Evenly: any stretch has the right mixture.
  EXPECT_NEAR(share(TokenSource({{a, 1}, {b, 1}}, 1), 20), 0.5, 0.051);
  // Both sources are walked through without gaps.
  std::map<std::int32_t, int> seen;
  const TokenSource even({{a, 1}, {b, 3}}, 1);
  for (int i = 0; i < 4 * 125; ++i) ++seen[even.sample(i, 4).ids[0]];
  for (const auto& [id, count] : seen) EXPECT_LE(count, id >= 10000 ? 3 : 1) << id;
}

TEST(TokenSource, ShortFilesAndLossMask) {
  const TestFolder folder;
  const auto file = file_of(folder.path() / "a", {2}, 1, true);
  const TokenRow row = TokenSource({{file, 0}}, 1).sample(5, 9);
  for (std::size_t t = 0; t < 9; ++t) {
    EXPECT_EQ(row.ids[t + 1], (row.ids[t] + 1) % 3);
    EXPECT_EQ(row.loss_mask[t], row.ids[t + 1] == 1 ? 0 : 1);
  }
}

TEST(TokenSource, RefusesNonsense) {
  const TestFolder folder;
  const auto file = file_of(folder.path() / "a", {20}), empty = file_of(folder.path() / "b", {});
  user_error([] { TokenSource({}, 1); });
  user_error([&] { TokenSource({{empty, 0}}, 1); });
  user_error([&] { TokenSource({{file, 1}, {file, 0}}, 1); });
  user_error([&] { TokenSource({{file, -1}}, 1); });
  TokenFileWriter writer(folder.path() / "c",
                         {.vocabulary_size = 9, .end_of_text = 0, .tokenizer_hash = 1});
  writer.add(Ids{1}, 1);
  writer.finish();
  user_error([&] { TokenSource({{file, 0}, {TokenFile::open(folder.path() / "c"), 0}}, 1); });
}

class EvaluationLengths : public testing::TestWithParam<std::tuple<int, int, bool>> {};

TEST_P(EvaluationLengths, ScoresEveryTokenOnce) {
  const TestFolder folder;
  const auto [length, context, mask] = GetParam();
  const auto file = file_of(folder.path() / "a", {5, 1, 30, 0, 7, 12, 1}, 1, mask);
  const EvaluationRows rows(file, length, context);
  std::map<std::int64_t, std::map<std::int32_t, int>> scored;
  for (std::int64_t r = 0; r < rows.size(); ++r) {
    const ScoredRow row = rows.row(r);
    std::int32_t start = 0;
    for (std::size_t t = 0; t < static_cast<std::size_t>(length); ++t) {
      if (row.ids[t] == kEnd) start = static_cast<std::int32_t>(t);
      EXPECT_EQ(row.document_start[t], start);
      EXPECT_EQ(row.loss_mask[t] != 0, row.document[t] >= 0);
      if (row.document[t] < 0) continue;
      EXPECT_NE(row.ids[t + 1], kEnd);
      ++scored[row.document[t]][row.ids[t + 1]];
      // What it is predicted from is the token before it in its document.
      EXPECT_TRUE(row.ids[t] == row.ids[t + 1] - 1 || row.ids[t] == kEnd);
    }
  }
  std::int32_t id = 1;
  for (std::int64_t d = 0; d < file->documents(); ++d) {
    std::int64_t count = 0;
    for (std::int64_t i = 0; i < file->document_tokens(d); ++i, ++id) {
      const int expected = mask && i % 3 == 0 ? 0 : 1;
      EXPECT_EQ(scored[d][id], expected) << "document " << d << " token " << i;
      count += expected;
    }
    EXPECT_EQ(rows.scored_tokens(d), count);
    EXPECT_EQ(rows.document_bytes(d), 2 * file->document_tokens(d));
  }
}

INSTANTIATE_TEST_SUITE_P(Lengths, EvaluationLengths,
                         testing::Combine(testing::Values(4, 9, 16, 61, 62, 63, 64, 200),
                                          testing::Values(0, 1, 3), testing::Bool()));

TEST(EvaluationRows, EmptyFile) {
  const TestFolder folder;
  EXPECT_EQ(EvaluationRows(file_of(folder.path() / "a", {}), 8).size(), 0);
  EXPECT_EQ(EvaluationRows(file_of(folder.path() / "b", {0}), 8).size(), 0);
}

}  // namespace
}  // namespace peryton
