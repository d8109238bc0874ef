// The gradient of a mix of hidden states of several widths against the same in double.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/elementwise/elementwise.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/kernels/values.h"

namespace peryton::kernels {
namespace {

using test::expect_near;
using test::normals;
using test::widen;

// A sum over 7 columns of terms of 5, 7 and 9, seen from behind.
template <class T>
std::vector<double> mix_gradient(const std::vector<T>& d, const std::vector<std::vector<T>>& x,
                                 std::vector<std::vector<T>>& d_x, int threads) {
  const std::int64_t rows = static_cast<std::int64_t>(d.size()) / 7;
  std::vector<WeightedSumGradientTerm<T>> terms;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::int64_t width = static_cast<std::int64_t>(x[i].size()) / rows;
    d_x.emplace_back(x[i].size(), T(compute_t<T>(3)));
    terms.push_back({x[i].data(), d_x[i].data(), width, width, width,
                     static_cast<compute_t<T>>(0.5 * static_cast<double>(i + 1))});
  }
  std::vector<double> slopes(x.size());
  std::vector<double> workspace(static_cast<std::size_t>(weighted_sum_workspace(3)));
  Context context;
  context.threads = threads;
  cpu::weighted_sum_backward<T>({.terms = terms.data(),
                                 .count = 3,
                                 .d_out = d.data(),
                                 .rows = rows,
                                 .width = 7,
                                 .stride = 7,
                                 .slopes = slopes.data(),
                                 .workspace = workspace.data()},
                                context);
  return slopes;
}

TEST(ElementwiseKernels, GradientOfAMixInOnePass) {
  constexpr std::int64_t kRows = 150;
  const auto d = normals<float>(kRows * 7, 1);
  const std::vector<std::vector<float>> x{
      normals<float>(kRows * 5, 2), normals<float>(kRows * 7, 3), normals<float>(kRows * 9, 4)};
  std::vector<std::vector<float>> one, four;
  std::vector<std::vector<double>> exact;
  const auto slopes = mix_gradient(d, x, one, 1);
  EXPECT_EQ(slopes, mix_gradient(d, x, four, 4));
  EXPECT_EQ(one, four);
  const auto expected =
      mix_gradient<double>(widen(d), {widen(x[0]), widen(x[1]), widen(x[2])}, exact, 1);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(slopes[i], expected[i], 1e-5 * std::sqrt(7 * kRows));
    expect_near(one[i], exact[i], 1e-6, 1e-6, "d_x");
  }
  for (std::int64_t row = 0; row < kRows; ++row) {
    EXPECT_EQ(one[1][row * 7 + 6], d[row * 7 + 6]);  // coefficient 1
    EXPECT_EQ(one[2][row * 9 + 8], 0);               // beyond the sum
  }
}

}  // namespace
}  // namespace peryton::kernels
