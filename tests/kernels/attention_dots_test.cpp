// Attention whose products round their factors to bfloat16: on every kernel the same bits, and as
// near to the definition in double as that rounding lets it be.
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "kernels/gemm/gemm_dots.h"
#include "tests/kernels/attend.h"

namespace peryton::kernels {
namespace {

using test::attend;
using test::Attended;
using test::AttentionPath;
using test::shape_of;

constexpr double kUnit = 1.0 / 512;  // relative error of a rounded factor, at most

double distance(const std::vector<float>& got, const std::vector<double>& want) {
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    difference += std::pow(got[i] - want[i], 2);
    size += std::pow(want[i], 2);
  }
  return size > 0 ? std::sqrt(difference / size) : std::sqrt(difference);
}

// The bits of all kernels, and of teams, are those of the definition.
Attended<float> dots(const AttentionShape& shape, bool representable) {
  const auto run = [&](const cpu::PairKernels* kernels, int threads) {
    return attend<float>(shape, {AttentionPath::kDots, threads, kernels, representable});
  };
  const auto want = run(cpu::reference_pair_kernels(), 1);
  for (const cpu::PairKernels* kernels : cpu::available_pair_kernels()) {
    if (kernels == nullptr) break;
    for (const int threads : {1, 2, 3}) {
      const auto got = run(kernels, threads);
      EXPECT_EQ(got.output, want.output) << kernels->name << " " << threads;
      EXPECT_EQ(got.log_sum, want.log_sum) << kernels->name << " " << threads;
      EXPECT_EQ(got.d_q, want.d_q) << kernels->name << " " << threads;
      EXPECT_EQ(got.d_k, want.d_k) << kernels->name << " " << threads;
      EXPECT_EQ(got.d_v, want.d_v) << kernels->name << " " << threads;
    }
  }
  return want;
}

struct Tolerance {
  double log_sum, output, gradients;
};

void expect_near_definition(const AttentionShape& shape, bool representable, Tolerance tolerance) {
  const auto got = dots(shape, representable);
  const auto want = attend<double>(shape, {AttentionPath::kReference, 1, nullptr, representable});
  for (std::size_t i = 0; i < got.log_sum.size(); ++i) {
    const double size = 1 + std::abs(want.log_sum[i]);
    ASSERT_NEAR(got.log_sum[i], want.log_sum[i], tolerance.log_sum * size) << i;
  }
  EXPECT_LT(distance(got.output, want.output), tolerance.output);
  if (shape.past > 0) return;
  EXPECT_LT(distance(got.d_q, want.d_q), tolerance.gradients);
  EXPECT_LT(distance(got.d_k, want.d_k), tolerance.gradients);
  EXPECT_LT(distance(got.d_v, want.d_v), tolerance.gradients);
}

void compare(const AttentionShape& shape) {
  // Scores are exact but for the order of their sums. Only weights are rounded, by kUnit at most;
  // then their gradients, which the output's error moves too.
  expect_near_definition(shape, true, {2e-6, kUnit, 2 * kUnit});
  // Both factors of every product are rounded, and the errors of scores, of order kUnit, move the
  // weights too; gradients are products of two such results.
  expect_near_definition(shape, false, {4 * kUnit, 3 * kUnit, 6 * kUnit});
}

TEST(AttentionDots, HeadsThatShareKeysAndOddSizes) {
  compare(shape_of(2, 9, 2, 2, 16));
  compare(shape_of(1, 63, 3, 3, 10));
  compare(shape_of(1, 65, 4, 2, 24));
  compare(shape_of(2, 130, 4, 1, 64));
  compare(shape_of(1, 331, 2, 1, 33));
}

TEST(AttentionDots, Windows) {
  AttentionShape shape = shape_of(1, 401, 1, 1, 16);
  for (const std::int64_t window : {1, 20, 299}) {
    shape.window = window;
    compare(shape);
  }
}

TEST(AttentionDots, Documents) {
  AttentionShape shape = shape_of(2, 310, 2, 2, 8);
  std::vector<std::int32_t> start(620, 0);
  std::fill(start.begin() + 7, start.begin() + 300, 7);
  std::fill(start.begin() + 300, start.begin() + 310, 300);
  std::fill(start.begin() + 310 + 101, start.end(), 101);
  shape.document_start = start.data();
  compare(shape);
}

TEST(AttentionDots, Past) {
  AttentionShape shape = shape_of(2, 71, 4, 2, 16);
  shape.past = 290;
  compare(shape);
  shape.window = 100;
  compare(shape);
}

}  // namespace
}  // namespace peryton::kernels
