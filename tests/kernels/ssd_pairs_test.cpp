// The scan with products of bfloat16 pairs, and those products themselves.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/ssd/ssd_pairs.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "kernels/common/dtype.h"
#include "kernels/gemm/gemm.h"
#include "tests/kernels/ssd_scan.h"

namespace peryton::kernels {
namespace {

using cpu::Pair;
using cpu::PairTiles;
using test::relative_error;
using Case = test::SsdCase;
template <class T>
using Scan = test::SsdScan<T>;

constexpr double kRounding = 1.0 / 512;  // of one factor, relative

void expect_same_bits(const Scan<float>& a, const Scan<float>& b) {
  EXPECT_EQ(a.y, b.y);
  EXPECT_EQ(a.final_state, b.final_state);
  EXPECT_EQ(a.d_xbc, b.d_xbc);
  EXPECT_EQ(a.d_dt, b.d_dt);
  EXPECT_EQ(a.d_a_log, b.d_a_log);
  EXPECT_EQ(a.d_bias, b.d_bias);
  EXPECT_EQ(a.d_d, b.d_d);
  EXPECT_EQ(a.d_initial, b.d_initial);
}

// d_d is a sum of d_y x over everything, both rounded.
void expect_close_d_d(const Scan<float>& actual, const Scan<double>& expected) {
  const SsdShape& shape = expected.test.shape;
  for (std::int64_t h = 0; h < shape.heads; ++h) {
    double sizes = 0;
    for (std::int64_t t = 0; t < shape.batch * shape.tokens; ++t) {
      for (std::int64_t p = h * shape.head_dim; p < (h + 1) * shape.head_dim; ++p) {
        sizes += std::abs(expected.d_y[static_cast<std::size_t>(t * expected.width + p)] *
                          expected.xbc[static_cast<std::size_t>(t * expected.stride + p)]);
      }
    }
    const auto head = static_cast<std::size_t>(h);
    EXPECT_NEAR(static_cast<double>(actual.d_d[head]), expected.d_d[head], 2 * kRounding * sizes);
  }
}

// A number of the result has met four rounded factors at most: a state two (B and x), and the
// product that reads it two more; scores two, and weights and x two. Gradients of the decay are
// sums of such numbers with both signs.
void check(const Case& c, double loose = 8 * kRounding) {
  Scan<double> expected(c);
  expected.recurrence();
  Scan<float> paired(c), threaded(c), defined(c);
  paired.chunked(1, cpu::available_pair_tiles()[0]);
  expect_close(paired, expected, 4 * kRounding, loose);
  expect_close_d_d(paired, expected);
  for (const int threads : {2, 3}) {
    threaded.chunked(threads, cpu::available_pair_tiles()[0]);
    expect_same_bits(threaded, paired);
  }
  defined.chunked(1, cpu::reference_pair_tiles());
  expect_same_bits(defined, paired);
}

TEST(SsdPairs, EveryLengthAroundTheChunk) {
  for (const std::int64_t tokens : {1, 2, 3, 9, 15, 16, 17, 31, 32, 33, 100}) {
    SCOPED_TRACE(tokens);
    check({.shape = {2, tokens, 2, 8, 4, 1}});
  }
}

TEST(SsdPairs, OddChunks) {
  check({.shape = {1, 60, 2, 8, 8, 1}, .chunk = 7});
  check({.shape = {1, 60, 2, 8, 8, 1}, .chunk = 1});
  check({.shape = {1, 120, 2, 8, 8, 1}, .chunk = 37});
}

TEST(SsdPairs, ShapesAndGroups) {
  check({.shape = {1, 70, 6, 16, 24, 1}, .chunk = 64});
  check({.shape = {1, 70, 6, 5, 7, 2}, .chunk = 32});
  check({.shape = {1, 40, 2, 1, 1, 1}, .chunk = 32});
  check({.shape = {2, 33, 3, 64, 16, 3}, .chunk = 32});
  check({.shape = {1, 70, 2, 33, 19, 1}, .chunk = 32, .states = true});
  check({.shape = {1, 130, 9, 4, 130, 1}, .chunk = 128});
}

TEST(SsdPairs, StatesAndDocuments) {
  check({.shape = {2, 75, 4, 8, 8, 2}, .states = true});
  check({.shape = {2, 75, 4, 8, 8, 1}, .documents = true});
  check({.shape = {3, 60, 2, 8, 8, 1}, .states = true, .documents = true});
}

TEST(SsdPairs, LongMemory) {
  check({.shape = {1, 300, 2, 8, 8, 1}, .chunk = 64, .a_low = 1e-4, .a_high = 2e-4});
}

TEST(SsdPairs, ContextAsksForThem) {
  if (!has_bf16_dots()) GTEST_SKIP() << "this processor has no bf16 dot products";
  const Case c{.shape = {1, 50, 2, 8, 8, 1}};
  Scan<float> plain(c), asked(c), chosen(c);
  plain.chunked(1);
  asked.chunked(1, nullptr, true);
  chosen.chunked(1, cpu::available_pair_tiles()[0]);
  expect_same_bits(asked, chosen);
  EXPECT_GT(relative_error(asked.y, plain.y), kRounding / 8);
  Scan<double> in_double(c), unmoved(c);
  in_double.chunked(1);
  unmoved.chunked(1, nullptr, true);
  EXPECT_EQ(in_double.y, unmoved.y);
  EXPECT_EQ(in_double.d_xbc, unmoved.d_xbc);
}

std::vector<float> random_floats(std::size_t count, std::uint32_t seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) value = normal(engine);
  return values;
}

double rounded(float value) { return static_cast<double>(static_cast<float>(BFloat16(value))); }

struct Product {
  std::int64_t rows, columns, depth;

  std::vector<float> left() const {
    return random_floats(static_cast<std::size_t>(rows * depth), 1);
  }
  std::vector<float> right() const {
    return random_floats(static_cast<std::size_t>(depth * columns), 2);
  }
  // [rows, columns] on top of what is kept of `sums`; a left matrix by rows, or transposed.
  std::vector<float> run(const PairTiles& tiles, std::vector<float> sums, const float* keep,
                         std::int64_t keep_step, bool transposed) const {
    const std::int64_t pairs = cpu::pairs_of(depth);
    std::vector<Pair> a(static_cast<std::size_t>(rows * pairs)),
        b(static_cast<std::size_t>(pairs * columns));
    const std::vector<float> from = left(), to = right();
    std::vector<float> turned(from.size());
    for (std::int64_t i = 0; i < rows * depth; ++i) {
      turned[static_cast<std::size_t>(i % depth * rows + i / depth)] =
          from[static_cast<std::size_t>(i)];
    }
    if (transposed) {
      tiles.pair_rows({turned.data(), rows, depth, rows, nullptr, a.data(), rows});
    } else {
      tiles.pair_columns({from.data(), depth, rows, depth, nullptr, a.data(), pairs});
    }
    tiles.pair_rows({to.data(), columns, depth, columns, nullptr, b.data(), columns});
    tiles.multiply({a.data(), transposed ? 1 : pairs, transposed ? rows : 1, b.data(), pairs,
                    static_cast<int>(rows), static_cast<int>(columns), keep, keep_step,
                    sums.data()});
    return sums;
  }
};

TEST(PairTiles, MultiplyRoundedFactors) {
  const Product product{5, 24, 67};
  const std::vector<float> a = product.left(), b = product.right();
  const std::vector<float> got = product.run(*cpu::reference_pair_tiles(),
                                             std::vector<float>(5 * 24, 7.0f), nullptr, 0, false);
  for (std::size_t i = 0; i < 5; ++i) {
    for (std::size_t j = 0; j < 24; ++j) {
      double sum = 0;
      for (std::size_t k = 0; k < 67; ++k) sum += rounded(a[i * 67 + k]) * rounded(b[k * 24 + j]);
      EXPECT_NEAR(static_cast<double>(got[i * 24 + j]), sum, 1e-5);
    }
  }
}

TEST(PairTiles, EqualTheDefinitionBitForBit) {
  for (const PairTiles* tiles : cpu::available_pair_tiles()) {
    if (tiles == nullptr) continue;
    SCOPED_TRACE(tiles->name);
    for (std::int64_t rows = 1; rows <= cpu::PairTile::kMaxRows; ++rows) {
      for (const std::int64_t columns : {1, 4, 8, 16, 17, 32}) {
        for (const std::int64_t depth : {1, 2, 33}) {
          const Product product{rows, columns, depth};
          const std::vector<float> sums =
              random_floats(static_cast<std::size_t>(rows * columns), 3);
          const std::vector<float> keep = random_floats(static_cast<std::size_t>(rows), 6);
          const auto expect_same = [&](const float* kept, std::int64_t step) {
            const std::vector<float> wanted =
                product.run(*cpu::reference_pair_tiles(), sums, kept, step, false);
            EXPECT_EQ(product.run(*tiles, sums, kept, step, false), wanted);
            EXPECT_EQ(product.run(*tiles, sums, kept, step, true), wanted);
          };
          expect_same(nullptr, 0);
          expect_same(keep.data(), 0);
          expect_same(keep.data(), 1);
        }
      }
    }
  }
}

TEST(PairTiles, PairsAreRoundedAndFilledUp) {
  std::vector<float> from = random_floats(5 * 37, 4);
  from[3] = std::numeric_limits<float>::quiet_NaN();
  from[4] = std::bit_cast<float>(0x7fffffffu);  // would round to -0
  from[5] = std::numeric_limits<float>::max();
  const std::vector<float> factors = random_floats(5, 5);
  const auto bits = [](float value) { return static_cast<Pair>(BFloat16(value).bits); };
  for (const PairTiles* tiles : cpu::available_pair_tiles()) {
    if (tiles == nullptr) continue;
    SCOPED_TRACE(tiles->name);
    std::vector<Pair> columns(5 * 20, 77), scaled(5 * 20, 77), rows(3 * 40, 77);
    tiles->pair_columns({from.data(), 37, 5, 37, nullptr, columns.data(), 20});
    tiles->pair_columns({from.data(), 37, 5, 37, factors.data(), scaled.data(), 20});
    tiles->pair_rows({from.data(), 37, 5, 37, factors.data(), rows.data(), 40});
    for (std::size_t i = 0; i < 5; ++i) {
      for (std::size_t p = 0; p < 19; ++p) {
        const float first = from[i * 37 + 2 * p], second = p < 18 ? from[i * 37 + 2 * p + 1] : 0.0f;
        const Pair none = 0, factored = p < 18 ? bits(factors[i] * second) : none;
        EXPECT_EQ(columns[i * 20 + p], bits(second) << 16 | bits(first));
        EXPECT_EQ(scaled[i * 20 + p], factored << 16 | bits(factors[i] * first));
      }
      EXPECT_EQ(columns[i * 20 + 19], 77u);
    }
    for (std::size_t p = 0; p < 3; ++p) {
      for (std::size_t j = 0; j < 40; ++j) {
        const auto at = [&](std::size_t i) {
          return i < 5 && j < 37 ? bits(factors[i] * from[i * 37 + j]) : Pair{0};
        };
        EXPECT_EQ(rows[p * 40 + j], at(2 * p + 1) << 16 | at(2 * p)) << p << " " << j;
      }
    }
  }
}

}  // namespace
}  // namespace peryton::kernels
