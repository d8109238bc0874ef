// Vector code of activations and norms against the reference in double, for odd widths, strided
// rows and both storage types; and that the number of threads changes no bit.
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

#include "framework/core/rng.h"
#include "kernels/activation/activation.h"
#include "kernels/activation/glu.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/norm/norm.h"

namespace peryton::kernels {
namespace {

template <class T>
std::vector<T> normals(std::int64_t count, std::uint64_t seed, double scale = 1) {
  const Rng rng(seed, RandomPurpose::kTest);
  std::vector<T> values(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) {
    values[i] = static_cast<T>(static_cast<compute_t<T>>(scale * rng.normal(i)));
  }
  return values;
}

template <class T>
std::vector<double> widen(const std::vector<T>& values) {
  std::vector<double> wide;
  for (const T& value : values) wide.push_back(static_cast<compute_t<T>>(value));
  return wide;
}

template <class A, class B>
void expect_near(const std::vector<A>& got, const std::vector<B>& want, double absolute,
                 double relative, const char* what) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double a = static_cast<compute_t<A>>(got[i]), b = static_cast<compute_t<B>>(want[i]);
    ASSERT_NEAR(a, b, absolute + relative * std::abs(b)) << what << " element " << i;
  }
}

// Half a unit in the last place of the storage type.
template <class T>
constexpr double kRounding = 6e-8;
template <>
constexpr double kRounding<BFloat16> = 1.0 / 256;

constexpr std::int64_t kWidths[] = {1, 3, 8, 17, 64, 100, 257};

template <class T>
struct Activated {
  std::vector<T> y, d_x;
};

template <class T, class Forward, class Backward>
Activated<T> activate(Activation kind, const std::vector<T>& x, const std::vector<T>& d_y,
                      std::int64_t rows, std::int64_t width, Forward forward, Backward backward,
                      int threads = 1) {
  Context context;
  context.threads = threads;
  const std::int64_t stride = static_cast<std::int64_t>(x.size()) / rows;
  Activated<T> out{std::vector<T>(x.size()), std::vector<T>(x.size())};
  forward(ActivationForwardArgs<T>{kind, out.y.data(), x.data(), rows, width, stride, stride},
          context);
  backward(ActivationBackwardArgs<T>{kind, out.d_x.data(), d_y.data(), x.data(), rows, width,
                                     stride, stride, stride},
           context);
  return out;
}

template <class T>
void compare_activation(Activation kind, std::int64_t width) {
  const std::int64_t rows = 5, stride = width + 3;
  const auto x = normals<T>(rows * stride, 1, 3), d_y = normals<T>(rows * stride, 2);
  const auto fast = activate<T>(kind, x, d_y, rows, width, cpu::activation_forward<T>,
                                cpu::activation_backward<T>);
  const auto exact = activate<double>(kind, widen(x), widen(d_y), rows, width,
                                      cpu::reference::activation_forward<double>,
                                      cpu::reference::activation_backward<double>);
  // Vector exponentials and the erfc fit are good to a few units of 6e-8 of values of order ten.
  expect_near(fast.y, exact.y, 2e-6, kRounding<T>, "y");
  expect_near(fast.d_x, exact.d_x, 4e-6, kRounding<T>, "d_x");
}

constexpr Activation kKinds[] = {Activation::kGeluErf, Activation::kGeluTanh, Activation::kSilu,
                                 Activation::kRelu,    Activation::kRelu2,    Activation::kSigmoid};

TEST(ActivationKernel, FastPathEqualsReference) {
  for (const Activation kind : kKinds) {
    for (const std::int64_t width : kWidths) {
      compare_activation<float>(kind, width);
      compare_activation<BFloat16>(kind, width);
    }
  }
}

template <class T>
struct Gated {
  std::vector<T> y, d_gate, d_value;
};

// gate and value are halves of rows of 2 width + 1 elements, as in a fused projection.
template <class T, class Forward, class Backward>
Gated<T> gate(Activation kind, const std::vector<T>& x, const std::vector<T>& d_y,
              std::int64_t rows, std::int64_t width, Forward forward, Backward backward) {
  const std::int64_t stride = 2 * width + 1;
  Gated<T> out{std::vector<T>(rows * width), std::vector<T>(rows * width),
               std::vector<T>(rows * width)};
  const T *g = x.data(), *v = x.data() + width;
  forward(GluForwardArgs<T>{kind, out.y.data(), g, v, rows, width, width, stride, stride},
          Context{});
  backward(GluBackwardArgs<T>{kind, out.d_gate.data(), out.d_value.data(), d_y.data(), g, v, rows,
                              width, width, width, width, stride, stride},
           Context{});
  return out;
}

template <class T>
void compare_glu(Activation kind, std::int64_t width) {
  const std::int64_t rows = 4;
  const auto x = normals<T>(rows * (2 * width + 1), 5, 2), d_y = normals<T>(rows * width, 6);
  const auto fast = gate<T>(kind, x, d_y, rows, width, cpu::glu_forward<T>, cpu::glu_backward<T>);
  const auto exact =
      gate<double>(kind, widen(x), widen(d_y), rows, width, cpu::reference::glu_forward<double>,
                   cpu::reference::glu_backward<double>);
  // As for the activation, times another value of order ten.
  expect_near(fast.y, exact.y, 1e-5, kRounding<T>, "y");
  expect_near(fast.d_gate, exact.d_gate, 2e-5, kRounding<T>, "d_gate");
  expect_near(fast.d_value, exact.d_value, 1e-5, kRounding<T>, "d_value");
}

TEST(GluKernel, FastPathEqualsReference) {
  for (const Activation kind : kKinds) {
    for (const std::int64_t width : kWidths) {
      compare_glu<float>(kind, width);
      compare_glu<BFloat16>(kind, width);
    }
  }
}

TEST(ActivationKernel, ExtremesAreFinite) {
  const std::vector<float> x{-1e4f, -200.0f, -30.0f, -0.0f, 30.0f, 200.0f, 1e4f}, ones(7, 1.0f);
  const auto limits = [](Activation kind) -> std::vector<double> {
    if (kind == Activation::kRelu2) return {0, 0, 0, 0, 900, 4e4, 1e8};
    if (kind == Activation::kSigmoid) return {0, 0, 0, 0.5, 1, 1, 1};
    return {0, 0, 0, 0, 30, 200, 1e4};
  };
  for (const Activation kind : kKinds) {
    const auto out = activate<float>(kind, x, ones, 1, 7, cpu::activation_forward<float>,
                                     cpu::activation_backward<float>);
    expect_near(out.y, limits(kind), 1e-10, 1e-6, "y");
    const double slope = kind == Activation::kRelu2 ? 2e4 : kind == Activation::kSigmoid ? 0 : 1;
    EXPECT_NEAR(out.d_x[0], 0, 1e-10);
    EXPECT_NEAR(out.d_x[6], slope, 1e-6);
  }
}

TEST(ActivationKernel, ThreadsChangeNoBit) {
  const auto x = normals<float>(300 * 100, 3), d_y = normals<float>(300 * 100, 4);
  const auto run = [&](int threads) {
    return activate<float>(Activation::kGeluErf, x, d_y, 300, 100, cpu::activation_forward<float>,
                           cpu::activation_backward<float>, threads);
  };
  EXPECT_EQ(run(1).y, run(3).y);
  EXPECT_EQ(run(1).d_x, run(4).d_x);
}

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
