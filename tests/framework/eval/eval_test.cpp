// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "framework/eval/generation.h"
#include "framework/eval/scoring.h"
#include "tests/support/golden_hybrid.h"

namespace peryton {
namespace {

DocumentSums documents(int count, double nats_per_byte) {
  DocumentSums sums;
  for (int d = 0; d < count; ++d) {
    sums.bytes.push_back(100 + d);
    sums.nats.push_back(nats_per_byte * (100 + d) * (d % 2 == 0 ? 0.9 : 1.1));
    sums.tokens += 30;
  }
  return sums;
}

TEST(Bootstrap, IntervalHoldsTheEstimateAndShrinksWithData) {
  const DocumentSums few = documents(20, 1.0), many = documents(500, 1.0);
  const auto wide = bits_per_byte_interval(few, 1000, 1),
             narrow = bits_per_byte_interval(many, 1000, 1);
  EXPECT_LT(wide.first, bits_per_byte(few));
  EXPECT_GT(wide.second, bits_per_byte(few));
  EXPECT_LT(narrow.second - narrow.first, wide.second - wide.first);
  EXPECT_NEAR(bits_per_byte(many), 1.0 / std::log(2.0), 0.01);
}

TEST(Bootstrap, PairedDifferencesSeeThroughTheSpreadOfDocuments) {
  const DocumentSums a = documents(40, 1.0), b = documents(40, 1.01);
  const auto difference = difference_interval(b, a, 500, 3);
  EXPECT_GT(difference.first, 0);  // every document is 1 % worse, so the sign is certain
  const auto same = difference_interval(a, a, 500, 3);
  EXPECT_EQ(same.first, 0);
  EXPECT_EQ(same.second, 0);
}

TEST(Averaging, IsOfProbabilities) {
  const auto mean = averaged_nll({{std::log(2.0)}, {std::log(4.0)}});
  EXPECT_NEAR(mean[0], -std::log((0.5 + 0.25) / 2), 1e-12);
}

TEST(ChooseToken, GreedyTopKAndFrequencies) {
  const std::vector<float> logits{0.0f, std::log(3.0f), -1e9f, std::log(4.0f)};
  EXPECT_EQ(choose_token(logits, {}, 0), 3);
  std::map<std::int32_t, int> counts;
  const int draws = 8000;
  for (int i = 0; i < draws; ++i)
    ++counts[choose_token(logits, {.temperature = 1, .seed = 5}, static_cast<std::uint64_t>(i))];
  EXPECT_NEAR(counts[3] / double(draws), 0.5, 0.03);
  EXPECT_NEAR(counts[1] / double(draws), 0.375, 0.03);
  EXPECT_EQ(counts[2], 0);
  for (int i = 0; i < 200; ++i) {
    EXPECT_NE(choose_token(logits, {.temperature = 1, .top_k = 2}, static_cast<std::uint64_t>(i)),
              0);
    EXPECT_EQ(choose_token(logits, {.temperature = 1, .top_p = 0.4}, static_cast<std::uint64_t>(i)),
              3);
  }
}

TEST(Generate, ChunkedPrefillGivesTheSameTokens) {
  test::GoldenHybrid golden =
      test::load_golden_hybrid("transition_two", AlphaParameterisation::kFixed);
  const auto ids = golden.expected.load("ids");
  const std::span<const std::int32_t> prompt = ids.values<std::int32_t>().first(21);
  const kernels::Context context{.device = {}, .threads = 1};
  const auto whole = generate(*golden.model, prompt, {.length = 12}, context);
  EXPECT_EQ(whole.size(), 12u);
  EXPECT_EQ(whole, generate(*golden.model, prompt, {.length = 12, .prefill_chunk = 5}, context));
}

}  // namespace
}  // namespace peryton
