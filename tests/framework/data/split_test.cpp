// SPDX-License-Identifier: Apache-2.0
#include "framework/data/split.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "framework/core/rng.h"
#include "framework/data/near_duplicates.h"
#include "tests/framework/data/test_folder.h"

namespace peryton {
namespace {

// `words` random words out of a large vocabulary: no two such texts share 13 in a row.
std::string random_text(std::uint64_t stream, int words) {
  const Rng rng(11, RandomPurpose::kTest, stream);
  std::string text;
  for (int i = 0; i < words; ++i)
    text += "w" + std::to_string(rng.below(static_cast<std::uint64_t>(i), 5000)) + " ";
  return text;
}

// The words [begin, end) of a text.
std::string part(const std::string& text, int begin, int end) {
  std::size_t at = 0;
  for (int i = 0; i < begin; ++i) at = text.find(' ', at) + 1;
  std::size_t stop = at;
  for (int i = begin; i < end; ++i) stop = text.find(' ', stop) + 1;
  return text.substr(at, stop - at);
}

std::vector<std::int64_t> groups_of(const std::vector<std::string>& texts, double threshold,
                                    int threads = 1) {
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  return near_duplicate_groups(views, threshold, threads);
}

TEST(NearDuplicates, ThresholdIsAPartOfTheSequences) {
  const std::string a = random_text(1, 112);  // 100 sequences
  // 42 words of a make 30 of its sequences; 70 others, and 12 across the border, make 112 words
  // again.
  const std::string b = part(a, 20, 62) + random_text(2, 70);
  EXPECT_EQ(groups_of({a, b}, 0.29), (std::vector<std::int64_t>{0, 0}));
  EXPECT_EQ(groups_of({a, b}, 0.30), (std::vector<std::int64_t>{0, 1}));
  // 12 words in a row are no sequence.
  EXPECT_EQ(groups_of({a, part(a, 0, 12) + random_text(3, 100)}, 0.001),
            (std::vector<std::int64_t>{0, 1}));
}

TEST(NearDuplicates, ClosesGroupsAndIgnoresCaseAndPunctuation) {
  const std::string a = random_text(1, 200), b = random_text(2, 200);
  std::string shouted = part(b, 100, 200);
  for (char& c : shouted) c = c == ' ' ? '-' : static_cast<char>(std::toupper(c));
  const auto groups = groups_of(
      {random_text(9, 50), a, part(a, 100, 200) + part(b, 0, 100), "unrelated", shouted + b}, 0.2,
      3);
  EXPECT_EQ(groups, (std::vector<std::int64_t>{0, 1, 1, 3, 1}));
  EXPECT_EQ(groups_of({"Short text.", "other", "short TEXT", ""}, 0.2),
            (std::vector<std::int64_t>{0, 1, 0, 3}));
}

TEST(NearDuplicates, BoilerplateInManyDocuments) {
  const std::string notice = random_text(5, 20);
  std::vector<std::string> texts, copies;
  for (std::uint64_t i = 0; i < 200; ++i) texts.push_back(random_text(100 + i, 150) + notice);
  const auto groups = groups_of(texts, 0.2);  // 8 of 158 sequences are shared
  for (std::size_t i = 0; i < groups.size(); ++i)
    EXPECT_EQ(groups[i], static_cast<std::int64_t>(i));
  for (int i = 0; i < 200; ++i) copies.push_back(notice);
  for (const auto group : groups_of(copies, 0.2)) EXPECT_EQ(group, 0);
}

std::vector<Document> documents_of(int count, int words) {
  std::vector<Document> documents;
  for (int i = 0; i < count; ++i)
    documents.push_back({"", random_text(static_cast<std::uint64_t>(i), words), ""});
  return documents;
}

TEST(Split, FractionsOfBytes) {
  const auto documents = documents_of(500, 20);
  const auto sides = split_documents(documents, {.validation = 0.02, .test = 0.1}, 1, 1);
  double bytes[3] = {}, total = 0;
  for (std::size_t d = 0; d < documents.size(); ++d) {
    bytes[static_cast<int>(sides[d])] += static_cast<double>(documents[d].text.size());
    total += static_cast<double>(documents[d].text.size());
  }
  // Documents have equal size to a few bytes: at most one is missing.
  EXPECT_NEAR(bytes[1] / total, 0.02, 1.1 / 500);
  EXPECT_NEAR(bytes[2] / total, 0.1, 1.1 / 500);
}

TEST(Split, DependsOnSeedAndTextAlone) {
  auto documents = documents_of(100, 20);
  const auto sides = split_documents(documents, {.validation = 0.1, .test = 0.1}, 1, 1);
  EXPECT_EQ(sides, split_documents(documents, {.validation = 0.1, .test = 0.1}, 1, 3));
  EXPECT_NE(sides, split_documents(documents, {.validation = 0.1, .test = 0.1}, 2, 1));
}

TEST(Split, NearDuplicatesStayTogether) {
  std::vector<Document> documents;
  for (std::uint64_t i = 0; i < 40; ++i) {
    const std::string text = random_text(i, 100);
    documents.push_back({"", text, ""});
    documents.push_back({"", random_text(1000 + i, 60) + part(text, 30, 80), ""});
  }
  const auto together =
      split_documents(documents, {.validation = 0.2, .test = 0.2, .near_duplicates = 0.2}, 3, 2);
  const auto apart = split_documents(documents, {.validation = 0.2, .test = 0.2}, 3, 2);
  int torn = 0, torn_apart = 0;
  for (std::size_t d = 0; d < documents.size(); d += 2) {
    torn += together[d] != together[d + 1] ? 1 : 0;
    torn_apart += apart[d] != apart[d + 1] ? 1 : 0;
  }
  EXPECT_EQ(torn, 0);
  EXPECT_GT(torn_apart, 0);
}

TEST(Split, EverySideGetsSomething) {
  const auto sides =
      split_documents(documents_of(3, 100), {.validation = 0.01, .test = 0.01}, 1, 1);
  for (const Side side : {Side::kTrain, Side::kValidation, Side::kTest}) {
    EXPECT_EQ(std::count(sides.begin(), sides.end(), side), 1);
  }
  for (const Side side : split_documents(documents_of(3, 9), {.validation = 0, .test = 0}, 1, 1)) {
    EXPECT_EQ(side, Side::kTrain);
  }
}

TEST(Split, RefusesNonsense) {
  const auto documents = documents_of(2, 50);
  const auto message = [&](const SplitSettings& split) {
    return user_error([&] { split_documents(documents, split, 1, 1); });
  };
  EXPECT_NE(message({.validation = 0.1, .test = 0.1}).find("2 documents"), std::string::npos);
  EXPECT_NE(message({.validation = 0.6, .test = 0.4}).find("nothing for training"),
            std::string::npos);
  EXPECT_NE(message({.validation = -0.1, .test = 0.4}).find("nothing for training"),
            std::string::npos);
  EXPECT_NE(message({.validation = 0.1, .test = 0, .near_duplicates = 2}).find("near_duplicates"),
            std::string::npos);
}

}  // namespace
}  // namespace peryton
