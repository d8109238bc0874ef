// Blocked attention and vector rotary against their references in double.
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "kernels/rotary/rotary.h"
#include "tests/kernels/attend.h"

namespace peryton::kernels {
namespace {

using test::attend;
using test::normals;
using test::shape_of;

void expect_near(const std::vector<float>& got, const std::vector<double>& want, double tolerance,
                 const char* what) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    ASSERT_NEAR(got[i], want[i], tolerance * (1 + std::abs(want[i]))) << what << " element " << i;
  }
}

void compare(const AttentionShape& shape) {
  const auto fast = attend<float>(shape), other = attend<float>(shape, {.threads = 3});
  const auto exact = attend<double>(shape, {.path = test::AttentionPath::kReference});
  // Scores are of order ten with errors of 6e-8 sqrt(width) each; a gradient sums up to `keys`
  // products.
  const double tolerance = 2e-6, sums = 2e-6 * std::sqrt(static_cast<double>(shape.keys()));
  expect_near(fast.output, exact.output, tolerance, "output");
  expect_near(fast.log_sum, exact.log_sum, tolerance, "log_sum");
  expect_near(fast.d_q, exact.d_q, sums, "d_q");
  expect_near(fast.d_k, exact.d_k, sums, "d_k");
  expect_near(fast.d_v, exact.d_v, sums, "d_v");
  EXPECT_EQ(fast.output, other.output);
  EXPECT_EQ(fast.d_q, other.d_q);
  EXPECT_EQ(fast.d_k, other.d_k);
  EXPECT_EQ(fast.d_v, other.d_v);
}

TEST(AttentionKernel, BlockedEqualsReference) {
  compare(shape_of(2, 1, 2, 2, 16));
  compare(shape_of(1, 63, 3, 3, 10));
  compare(shape_of(1, 65, 4, 2, 24));
  compare(shape_of(1, 330, 2, 1, 33));
}

TEST(AttentionKernel, WindowSkipsBlocks) {
  AttentionShape shape = shape_of(1, 400, 1, 1, 16);
  for (const std::int64_t window : {1, 20, 300}) {
    shape.window = window;
    compare(shape);
  }
}

TEST(AttentionKernel, Documents) {
  AttentionShape shape = shape_of(2, 310, 2, 2, 8);
  std::vector<std::int32_t> start(620, 0);
  std::fill(start.begin() + 7, start.begin() + 300, 7);
  std::fill(start.begin() + 300, start.begin() + 310, 300);
  std::fill(start.begin() + 310 + 100, start.end(), 100);
  shape.document_start = start.data();
  compare(shape);
}

TEST(AttentionKernel, Past) {
  for (const std::int64_t queries : {1, 5, 70}) {
    AttentionShape shape = shape_of(2, queries, 4, 2, 16);
    shape.past = 290;
    compare(shape);
    shape.window = 100;
    compare(shape);
  }
}

TEST(AttentionKernel, ContradictionsAreReported) {
  EXPECT_THROW(attend<float>(shape_of(1, 4, 3, 2, 8)), ArgumentError);
}

template <class T>
void compare_rotary(std::int64_t half, std::int64_t width) {
  const std::int64_t rows = 70, heads = 3;
  const auto wide = normals<double>(rows * heads * width, 5);
  std::vector<T> x;
  for (const double value : wide) x.push_back(static_cast<T>(static_cast<float>(value)));
  std::vector<double> same;
  for (const T& value : x) same.push_back(static_cast<float>(value));
  std::vector<std::int32_t> position(rows);
  for (std::int64_t i = 0; i < rows; ++i) position[i] = static_cast<std::int32_t>(i * 7 % 40);
  std::vector<float> cosine(40 * half), sine(40 * half);
  std::vector<double> cosine2(40 * half), sine2(40 * half);
  cpu::rotary_table<float>({cosine.data(), sine.data(), 40, half, 1e4, 1}, {});
  cpu::rotary_table<double>({cosine2.data(), sine2.data(), 40, half, 1e4, 1}, {});
  for (const bool inverse : {false, true}) {
    std::vector<T> got(x.size());
    std::vector<double> want(x.size());
    const std::int64_t row = heads * width;
    cpu::rotary<T>({got.data(), x.data(), cosine.data(), sine.data(), position.data(), rows, heads,
                    width, half, row, width, row, width, inverse},
                   {});
    cpu::reference::rotary<double>(
        {want.data(), same.data(), cosine2.data(), sine2.data(), position.data(), rows, heads,
         width, half, row, width, row, width, inverse},
        {});
    const double rounding = sizeof(T) == 2 ? 1.0 / 256 : 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
      ASSERT_NEAR(static_cast<float>(got[i]), want[i], 1e-6 + rounding * std::abs(want[i]));
    }
  }
}

TEST(RotaryKernel, FastPathEqualsReference) {
  for (const std::int64_t half : {1, 4, 9, 16, 32}) {
    compare_rotary<float>(half, 2 * half + 3);
    compare_rotary<BFloat16>(half, 2 * half);
  }
}

}  // namespace
}  // namespace peryton::kernels
