// SPDX-License-Identifier: Apache-2.0
#include "framework/ops/activation.h"

#include <gtest/gtest.h>

#include "framework/ops/arithmetic.h"
#include "framework/ops/glu.h"
#include "tests/support/finite_difference.h"

namespace peryton {
namespace {

constexpr Activation kSmooth[] = {Activation::kGeluErf, Activation::kGeluTanh, Activation::kSilu,
                                  Activation::kSigmoid};

TEST(Activation, Gradients) {
  for (const Activation kind : kSmooth) {
    const auto f = [&](Tape& tape, const std::vector<Variable>& v) {
      return activation(tape, v[0], kind);
    };
    test::check_gradients(f, {test::random_normal(DType::kFloat64, {3, 11}, 5, 2.0)});
    test::check_gradients(f,
                          {test::random_normal(DType::kFloat64, {3, 11}, 5, 2.0).slice(1, 2, 9)});
  }
}

TEST(Activation, GluGradients) {
  for (const Activation kind : kSmooth) {
    const auto f = [&](Tape& tape, const std::vector<Variable>& v) {
      return glu(tape, slice_last(tape, v[0], 0, 5), slice_last(tape, v[0], 5, 10), kind);
    };
    test::check_gradients(f, {test::random_normal(DType::kFloat64, {3, 10}, 5, 2.0)});
  }
}

TEST(Activation, ReluGradientAwayFromTheKink) {
  const std::vector<double> values{-2, -0.5, 0.25, 3};
  const Tensor x = Tensor::from_values<double>({4}, values);
  const auto f = [](Tape& tape, const std::vector<Variable>& v) {
    return activation(tape, v[0], Activation::kRelu);
  };
  test::check_gradients(f, {x});
}

TEST(Activation, Names) {
  EXPECT_EQ(activation_named("gelu"), Activation::kGeluErf);
  EXPECT_EQ(activation_named("gelu_new"), Activation::kGeluTanh);
  EXPECT_EQ(activation_named("silu"), Activation::kSilu);
  EXPECT_FALSE(activation_named("prelu").has_value());
}

}  // namespace
}  // namespace peryton
