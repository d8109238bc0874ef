// Vector code of norms against the reference in double, for odd widths, strided rows and both
// storage types; and that the number of threads changes no bit.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/norm/norm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

#include "tests/kernels/values.h"

namespace peryton::kernels {
namespace {

using test::expect_near;
using test::kRounding;
using test::kWidths;
using test::normals;
using test::widen;

template <class T>
struct Normed {
  std::vector<T> y, d_x;
  std::vector<compute_t<T>> mean, rstd, d_weight, d_bias, workspace;
};

template <class T>
struct NormCase {
  std::int64_t rows, width;
  std::vector<T> x, d_y, weight, bias;
  std::int64_t stride() const { return static_cast<std::int64_t>(x.size()) / rows; }
};

template <class T>
NormCase<T> norm_case(std::int64_t rows, std::int64_t width) {
  return {rows,
          width,
          normals<T>(rows * (width + 2), 1, 2),
          normals<T>(rows * (width + 2), 2),
          normals<T>(width, 3),
          normals<T>(width, 4)};
}

template <class T>
NormCase<double> widen(const NormCase<T>& c) {
  return {c.rows, c.width, widen(c.x), widen(c.d_y), widen(c.weight), widen(c.bias)};
}

template <class T>
Normed<T> room_for(const NormCase<T>& c) {
  const auto rows = static_cast<std::size_t>(c.rows), width = static_cast<std::size_t>(c.width);
  using C = compute_t<T>;
  return {std::vector<T>(c.x.size()),
          std::vector<T>(c.x.size()),
          std::vector<C>(rows),
          std::vector<C>(rows),
          std::vector<C>(width),
          std::vector<C>(width),
          std::vector<C>(static_cast<std::size_t>(norm_workspace(c.rows, c.width)))};
}

template <class T>
Normed<T> normed(const NormCase<T>& c, bool centre, bool reference, int threads = 1) {
  Context context;
  context.threads = threads;
  Normed<T> out = room_for(c);
  const std::int64_t s = c.stride();
  const NormForwardArgs<T> forward{.output = out.y.data(),
                                   .input = c.x.data(),
                                   .weight = c.weight.data(),
                                   .bias = c.bias.data(),
                                   .mean = centre ? out.mean.data() : nullptr,
                                   .rstd = out.rstd.data(),
                                   .rows = c.rows,
                                   .width = c.width,
                                   .output_stride = s,
                                   .input_stride = s,
                                   .eps = 1e-5};
  (reference ? cpu::reference::norm_forward<T> : cpu::norm_forward<T>)(forward, context);
  const NormBackwardArgs<T> backward{.d_input = out.d_x.data(),
                                     .d_weight = out.d_weight.data(),
                                     .d_bias = out.d_bias.data(),
                                     .d_output = c.d_y.data(),
                                     .input = c.x.data(),
                                     .weight = c.weight.data(),
                                     .mean = forward.mean,
                                     .rstd = out.rstd.data(),
                                     .workspace = out.workspace.data(),
                                     .rows = c.rows,
                                     .width = c.width,
                                     .d_input_stride = s,
                                     .d_output_stride = s,
                                     .input_stride = s};
  (reference ? cpu::reference::norm_backward<T> : cpu::norm_backward<T>)(backward, context);
  return out;
}

template <class T>
void compare_norm(std::int64_t rows, std::int64_t width, bool centre) {
  const NormCase<T> c = norm_case<T>(rows, width);
  const Normed<T> fast = normed(c, centre, false);
  const Normed<double> exact = normed(widen(c), centre, true);
  // Rounding of the centred row is amplified by rstd (316 for a row of width one).
  const double amplified = 1 + *std::max_element(exact.rstd.begin(), exact.rstd.end());
  expect_near(fast.y, exact.y, 2e-6 * amplified, kRounding<T>, "y");
  expect_near(fast.d_x, exact.d_x, 4e-6 * amplified * amplified, kRounding<T>, "d_x");
  const double sums = 1e-6 * amplified * std::sqrt(rows) * 10;
  expect_near(fast.d_weight, exact.d_weight, sums, 1e-6, "d_weight");
  expect_near(fast.d_bias, exact.d_bias, sums, 1e-6, "d_bias");
}

template <class T>
void compare_norms(std::int64_t rows, std::int64_t width) {
  compare_norm<T>(rows, width, true);
  compare_norm<T>(rows, width, false);
}

TEST(NormKernels, FastPathEqualsReference) {
  for (const std::int64_t width : kWidths) {
    compare_norms<float>(70, width);
    compare_norms<BFloat16>(70, width);
  }
  compare_norms<float>(3000, 24);
}

TEST(NormKernels, ThreadsChangeNoBit) {
  const NormCase<float> c = norm_case<float>(2500, 33);
  const auto one = normed(c, true, false, 1), four = normed(c, true, false, 4);
  EXPECT_EQ(one.y, four.y);
  EXPECT_EQ(one.d_x, four.d_x);
  EXPECT_EQ(one.d_weight, four.d_weight);
  EXPECT_EQ(one.d_bias, four.d_bias);
  EXPECT_EQ(normed(c, false, false, 1).d_weight, normed(c, false, false, 3).d_weight);
}

template <class T>
struct Joined {
  std::vector<T> sum, y, d_x;
};

// A norm that a branch joins: c.x and c.d_y without gaps, the branch and what else reaches the sum.
template <class T>
Joined<T> joined(const NormCase<T>& c, const std::vector<T>& branch, const std::vector<T>& d_sum,
                 bool reference, int threads = 1) {
  Context context;
  context.threads = threads;
  Joined<T> out{branch, branch, branch};
  std::vector<compute_t<T>> mean(static_cast<std::size_t>(c.rows)), rstd(mean);
  const NormForwardArgs<T> forward{.output = out.y.data(),
                                   .input = c.x.data(),
                                   .weight = c.weight.data(),
                                   .bias = c.bias.data(),
                                   .mean = mean.data(),
                                   .rstd = rstd.data(),
                                   .rows = c.rows,
                                   .width = c.width,
                                   .output_stride = c.width,
                                   .input_stride = c.stride(),
                                   .eps = 1e-5,
                                   .addend = branch.data(),
                                   .sum = out.sum.data()};
  (reference ? cpu::reference::norm_forward<T> : cpu::norm_forward<T>)(forward, context);
  const NormBackwardArgs<T> backward{.d_input = out.d_x.data(),
                                     .d_weight = nullptr,
                                     .d_bias = nullptr,
                                     .d_output = c.d_y.data(),
                                     .input = out.sum.data(),
                                     .weight = c.weight.data(),
                                     .mean = mean.data(),
                                     .rstd = rstd.data(),
                                     .workspace = nullptr,
                                     .rows = c.rows,
                                     .width = c.width,
                                     .d_input_stride = c.width,
                                     .d_output_stride = c.stride(),
                                     .input_stride = c.width,
                                     .d_sum = d_sum.data()};
  (reference ? cpu::reference::norm_backward<T> : cpu::norm_backward<T>)(backward, context);
  return out;
}

template <class T>
void compare_joined(std::int64_t rows, std::int64_t width) {
  const NormCase<T> c = norm_case<T>(rows, width);
  const auto branch = normals<T>(rows * width, 8), d_sum = normals<T>(rows * width, 9);
  const Joined<T> fast = joined(c, branch, d_sum, false);
  const Joined<double> exact = joined(widen(c), widen(branch), widen(d_sum), true);
  expect_near(fast.sum, exact.sum, 1e-6, kRounding<T>, "sum");
  // bfloat16 rounds the sum before it is normalised.
  const double rounded = std::is_same_v<T, float> ? 4e-6 : 0.05;
  expect_near(fast.y, exact.y, rounded, 2 * kRounding<T>, "y");
  expect_near(fast.d_x, exact.d_x, rounded, 2 * kRounding<T>, "d_x");
  const Joined<T> team = joined(c, branch, d_sum, false, 4);
  EXPECT_TRUE(fast.sum == team.sum && fast.y == team.y && fast.d_x == team.d_x);
}

TEST(NormKernels, ABranchJoinsFirst) {
  for (const std::int64_t width : {17, 64, 257}) {
    compare_joined<float>(70, width);
    compare_joined<BFloat16>(70, width);
  }
}

}  // namespace
}  // namespace peryton::kernels
