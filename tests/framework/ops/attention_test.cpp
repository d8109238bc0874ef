// SPDX-License-Identifier: Apache-2.0
#include "framework/ops/attention.h"

#include <gtest/gtest.h>

#include <cmath>

#include "framework/ops/rotary.h"
#include "tests/support/finite_difference.h"

namespace peryton {
namespace {

using test::check_gradients;
using test::max_difference;
using test::random_normal;

constexpr DType kDouble = DType::kFloat64;

Tensor starts(const std::vector<std::int32_t>& row, std::int64_t rows) {
  std::vector<std::int32_t> values;
  for (std::int64_t b = 0; b < rows; ++b) values.insert(values.end(), row.begin(), row.end());
  return Tensor::from_values<std::int32_t>({rows, static_cast<std::int64_t>(row.size())}, values);
}

TEST(Attention, Gradients) {
  for (const HeadLayout& layout :
       {HeadLayout::interleaved(3, 4), HeadLayout::concatenated(4, 2, 3)}) {
    for (const AttentionOptions& options :
         {AttentionOptions{0.5, {}, 0}, AttentionOptions{0.7, starts({0, 0, 0, 3, 3, 5}, 2), 0},
          AttentionOptions{0.7, {}, 2}}) {
      const auto f = [&](Tape& tape, const std::vector<Variable>& v) {
        return attention(tape, v[0], layout, options);
      };
      check_gradients(f, {random_normal(kDouble, {2, 6, layout.columns()}, 1)},
                      {.samples_per_input = 200});
    }
  }
}

// The definition, written with a full matrix of scores, for one head.
TEST(Attention, EqualsTheFullMatrix) {
  const std::int64_t length = 7, width = 5;
  const HeadLayout layout = HeadLayout::interleaved(1, width);
  const Tensor fused = random_normal(kDouble, {1, length, 3 * width}, 3);
  Tape tape({});
  const Tensor got = attention(tape, tape.constant(fused), layout, {0.3, {}, 0}).value();
  const auto x = fused.values<double>();
  for (std::int64_t i = 0; i < length; ++i) {
    std::vector<double> weights;
    double sum = 0;
    for (std::int64_t j = 0; j <= i; ++j) {
      double score = 0;
      for (std::int64_t c = 0; c < width; ++c) score += x[i * 15 + c] * x[j * 15 + width + c];
      weights.push_back(std::exp(0.3 * score));
      sum += weights.back();
    }
    for (std::int64_t c = 0; c < width; ++c) {
      double want = 0;
      for (std::int64_t j = 0; j <= i; ++j) want += weights[j] / sum * x[j * 15 + 2 * width + c];
      EXPECT_NEAR(got.values<double>()[i * width + c], want, 1e-13);
    }
  }
}

TEST(Attention, PackedDocumentsEqualSeparateOnes) {
  const HeadLayout layout = HeadLayout::interleaved(2, 8);
  const Tensor fused = random_normal(DType::kFloat32, {1, 300, 48}, 4);
  std::vector<std::int32_t> start(300, 0);
  std::fill(start.begin() + 130, start.end(), 130);
  Tape tape({});
  const auto run = [&](const Tensor& x, const Tensor& documents) {
    return attention(tape, tape.constant(x), layout, {0.35, documents, 0}).value();
  };
  const Tensor packed = run(fused, starts(start, 1));
  const Tensor second = run(fused.slice(1, 130, 300).contiguous_copy(), {});
  const Tensor first = run(fused.slice(1, 0, 130).contiguous_copy(), {});
  EXPECT_LT(max_difference(packed.slice(1, 130, 300), second), 1e-6);
  EXPECT_LT(max_difference(packed.slice(1, 0, 130), first), 1e-6);
}

TEST(Attention, PastEqualsOnePass) {
  const HeadLayout layout = HeadLayout::concatenated(4, 2, 8);
  const Tensor fused = random_normal(DType::kFloat32, {2, 90, layout.columns()}, 5);
  Tape tape({});
  const AttentionOptions options{0.35, {}, 40};
  const Tensor whole = attention(tape, tape.constant(fused), layout, options).value();
  const Tensor keys = layout.view(fused, layout.key), values = layout.view(fused, layout.value);
  std::int64_t past = 0;
  for (const std::int64_t step : {50, 1, 1, 38}) {
    const Tensor part = attention_with_past({}, fused.slice(1, past, past + step).contiguous_copy(),
                                            layout, options, keys, values, past);
    EXPECT_LT(max_difference(part, whole.slice(1, past, past + step)), 1e-6);
    past += step;
  }
}

TEST(Rotary, Gradients) {
  const HeadLayout layout = HeadLayout::interleaved(2, 6);
  const RotaryTable table = rotary_table({}, kDouble, 9, 4, 100.0, 1.25);
  const Tensor positions = token_positions(starts({0, 0, 2, 2, 2}, 2), 2, 5, 0);
  const auto f = [&](Tape& tape, const std::vector<Variable>& v) {
    return rotary(tape, v[0], layout, table, positions);
  };
  check_gradients(f, {random_normal(kDouble, {2, 5, 36}, 1)}, {.samples_per_input = 400});
}

TEST(Rotary, ScoresDependOnTheDistanceOnly) {
  const HeadLayout layout = HeadLayout::interleaved(1, 8);
  const RotaryTable table = rotary_table({}, kDouble, 50, 8, 10000.0);
  const Tensor fused = random_normal(kDouble, {1, 2, 24}, 2);
  Tape tape({});
  const auto score = [&](std::int64_t past) {
    const Tensor positions = token_positions({}, 1, 2, past);
    const Tensor y = rotary(tape, tape.constant(fused), layout, table, positions).value();
    double sum = 0;
    for (int c = 0; c < 8; ++c) sum += y.values<double>()[24 + c] * y.values<double>()[8 + c];
    return sum;
  };
  EXPECT_NEAR(score(0), score(40), 1e-12);
  // Values are copied, and position 0 turns nothing.
  const Tensor y =
      rotary(tape, tape.constant(fused), layout, table, token_positions({}, 1, 2, 0)).value();
  EXPECT_EQ(max_difference(y.slice(2, 16, 24), fused.slice(2, 16, 24)), 0);
  EXPECT_EQ(max_difference(y.slice(1, 0, 1), fused.slice(1, 0, 1)), 0);
}

}  // namespace
}  // namespace peryton
