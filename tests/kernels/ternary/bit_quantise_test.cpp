// The row quantiser: vector code equals the definition bit for bit, and the definition its formula.
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "framework/core/rng.h"
#include "kernels/bit_quantise/bit_quantise.h"
#include "kernels/bit_quantise/block_tree.h"

namespace peryton::kernels {
namespace {

struct Case {
  std::int64_t rows, width;
  bool norm = true, gain = true;
  RoundHalf rounding = RoundHalf::kEven;
  double eps = 1e-6;
};

struct Result {
  std::vector<std::int8_t> q;
  std::vector<float> scale, rstd;
  std::vector<std::int32_t> sum;
  friend bool operator==(const Result&, const Result&) = default;
};

template <class T>
Result quantise(const Case& c, const std::vector<T>& x, const std::vector<float>& gain,
                bool reference, int threads = 1) {
  const std::int64_t stride = static_cast<std::int64_t>(x.size()) / c.rows;
  const std::int64_t q_stride = c.width + 5;
  const auto rows = static_cast<std::size_t>(c.rows);
  Result out{std::vector<std::int8_t>(rows * static_cast<std::size_t>(q_stride), 99),
             std::vector<float>(rows), std::vector<float>(c.norm ? rows : 0),
             std::vector<std::int32_t>(rows)};
  const BitQuantiseArgs<T> args{.q = out.q.data(),
                                .scale = out.scale.data(),
                                .sum = out.sum.data(),
                                .rstd = c.norm ? out.rstd.data() : nullptr,
                                .input = x.data(),
                                .gain = c.gain ? gain.data() : nullptr,
                                .rows = c.rows,
                                .width = c.width,
                                .input_stride = stride,
                                .q_stride = q_stride,
                                .norm = c.norm,
                                .eps = c.eps,
                                .rounding = c.rounding};
  (reference ? cpu::reference::bit_quantise<T>
             : cpu::bit_quantise<T>)(args, {.device = {}, .threads = threads});
  return out;
}

template <class T>
std::vector<T> normals(std::int64_t count, std::uint64_t seed, double scale) {
  const Rng rng(seed, RandomPurpose::kTest);
  std::vector<T> values(static_cast<std::size_t>(count));
  std::uint64_t index = 0;
  for (T& value : values) value = static_cast<T>(static_cast<float>(scale * rng.normal(index++)));
  return values;
}

template <class T>
void compare(const Case& c) {
  const auto x = normals<T>(c.rows * (c.width + 3), 1, 2.0);
  const auto gain = normals<float>(c.width, 2, 1.0);
  const Result fast = quantise(c, x, gain, false);
  EXPECT_EQ(fast, quantise(c, x, gain, true)) << c.width << ' ' << c.norm << ' ' << c.gain;
  EXPECT_EQ(fast, quantise(c, x, gain, false, 3));
}

TEST(BitQuantise, VectorCodeEqualsTheDefinitionBitForBit) {
  for (const std::int64_t width : {1, 2, 31, 63, 64, 65, 200, 256, 1000, 4099}) {
    for (const RoundHalf rounding : {RoundHalf::kEven, RoundHalf::kAway}) {
      for (const bool norm : {true, false}) {
        for (const bool gain : {true, false}) {
          compare<float>({9, width, norm, gain, rounding});
          compare<BFloat16>({9, width, norm, gain, rounding});
        }
      }
    }
  }
}

// Against plain double arithmetic: scales to rounding, integers up to values that sit on a border.
TEST(BitQuantise, DefinitionIsTheFormula) {
  const Case c{5, 700};
  const auto x = normals<float>(c.rows * c.width, 3, 2.0), gain = normals<float>(c.width, 4, 1.0);
  const Result got = quantise(c, x, gain, false);
  for (std::int64_t row = 0; row < c.rows; ++row) {
    double squares = 0, largest = 0;
    const float* line = x.data() + row * c.width;
    for (std::int64_t j = 0; j < c.width; ++j) squares += double{line[j]} * line[j];
    const double r = 1 / std::sqrt(squares / static_cast<double>(c.width) + c.eps);
    for (std::int64_t j = 0; j < c.width; ++j) {
      largest = std::fmax(largest, std::abs(line[j] * r * gain[j]));
    }
    EXPECT_NEAR(got.rstd[row], r, 3e-7 * r);
    EXPECT_NEAR(got.scale[row], largest / 127, 5e-7 * largest / 127);
    std::int32_t sum = 0;
    for (std::int64_t j = 0; j < c.width; ++j) {
      const double scaled = line[j] * r * gain[j] * 127 / largest;
      const int q = got.q[row * (c.width + 5) + j];
      EXPECT_LE(std::abs(q - scaled), 0.5 + 1e-4);
      EXPECT_LE(std::abs(q), 127);
      sum += q;
    }
    EXPECT_EQ(got.sum[row], sum);
    for (std::int64_t j = c.width; j < c.width + 5; ++j)
      EXPECT_EQ(got.q[row * (c.width + 5) + j], 0);
  }
}

TEST(BitQuantise, TiesRoundAsAsked) {
  // The largest is 127, so s = 1 and values are rounded as they are.
  const std::vector<float> x{0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f, 0.49999997f, 127.0f, -126.5f};
  Case c{1, 9, false, false};
  for (const bool reference : {false, true}) {
    c.rounding = RoundHalf::kEven;
    auto q = quantise(c, x, {}, reference).q;
    q.resize(9);
    EXPECT_EQ(q, (std::vector<std::int8_t>{0, 2, 2, 0, -2, -2, 0, 127, -126}));
    c.rounding = RoundHalf::kAway;
    q = quantise(c, x, {}, reference).q;
    q.resize(9);
    EXPECT_EQ(q, (std::vector<std::int8_t>{1, 2, 3, -1, -2, -3, 0, 127, -127}));
  }
}

TEST(BitQuantise, ZeroRowsAndBrokenRows) {
  const Case c{4, 70};
  std::vector<float> x(4 * 70, 0.0f), gain(70, 1.0f);
  for (int j = 0; j < 70; ++j) x[70 + j] = x[2 * 70 + j] = x[3 * 70 + j] = 1.0f;
  x[70 + 69] = std::nanf("");
  x[2 * 70 + 3] = INFINITY;
  for (const bool reference : {false, true}) {
    const Result got = quantise(c, x, gain, reference);
    EXPECT_EQ(got.scale[0], 1e-5f / 127.0f);  // the floor, no NaN
    for (int j = 0; j < 3 * 75; ++j) EXPECT_EQ(got.q[j], 0) << j;
    EXPECT_TRUE(std::isnan(got.scale[1]));
    EXPECT_TRUE(std::isnan(got.scale[2]));
    EXPECT_TRUE(std::isfinite(got.scale[3]));
    EXPECT_EQ(got.sum[3], 70 * 127);
  }
}

// The tree by levels, an odd last value moving up.
TEST(BlockTree, IsThePairwiseTreeInIndexOrder) {
  const auto values = normals<float>(133, 5, 1.0);
  for (std::size_t count = 1; count <= values.size(); ++count) {
    BlockTree tree;
    std::vector<float> level(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(count));
    for (const float value : level) tree.add(value);
    while (level.size() > 1) {
      std::vector<float> next;
      for (std::size_t i = 0; i + 1 < level.size(); i += 2) next.push_back(level[i] + level[i + 1]);
      if (level.size() % 2 != 0) next.push_back(level.back());
      level = next;
    }
    EXPECT_EQ(tree.sum(), level.front()) << count;
  }
}

}  // namespace
}  // namespace peryton::kernels
