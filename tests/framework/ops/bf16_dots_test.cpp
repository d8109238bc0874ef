// What Context::bf16_dots rounds, and what it must leave alone.
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "framework/ops/attention.h"
#include "framework/ops/bit_linear.h"
#include "framework/ops/linear.h"
#include "kernels/gemm/gemm.h"
#include "tests/support/finite_difference.h"

namespace peryton {
namespace {

using test::bitwise_equal;
using test::random_normal;
using test::relative_error;

constexpr DType kFloat = DType::kFloat32, kDouble = DType::kFloat64;

struct Results {
  Tensor y, d_x, d_weight;
};

Tensor rounded(const Tensor& tensor) { return tensor.to(DType::kBFloat16).to(kDouble); }

Results run_linear(const kernels::Context& context, const Tensor& x, const Tensor& weight,
                   const Tensor& d_y) {
  Tape tape(context);
  const Variable input = tape.input(x), w = tape.input(weight);
  const Variable y = linear(tape, input, w);
  tape.backward_from(y, d_y);
  return {y.value(), input.gradient(), w.gradient()};
}

class Bf16Dots : public testing::Test {
 protected:
  void SetUp() override {
    if (!kernels::has_bf16_dots()) GTEST_SKIP() << "this processor has no bf16 dot products";
  }

  const Tensor x_ = random_normal(kFloat, {37, 70}, 1);
  const Tensor weight_ = random_normal(kFloat, {45, 70}, 2);
  const Tensor d_y_ = random_normal(kFloat, {37, 45}, 3);
  const kernels::Context dots_{.threads = 1, .bf16_dots = true};
};

TEST_F(Bf16Dots, LinearMultipliesRoundedFactorsAndSumsInFloat) {
  const Results got = run_linear(dots_, x_, weight_, d_y_);
  const Results want = run_linear({}, rounded(x_), rounded(weight_), rounded(d_y_));
  const Results exact = run_linear({}, x_.to(kDouble), weight_.to(kDouble), d_y_.to(kDouble));
  for (const auto part : {&Results::y, &Results::d_x, &Results::d_weight}) {
    EXPECT_LT(relative_error((got.*part).to(kDouble), want.*part), 1e-6);
    EXPECT_GT(relative_error((got.*part).to(kDouble), exact.*part), 1e-3);
  }
}

TEST_F(Bf16Dots, AttentionRoundsFactorsUnlessQueriesAreFew) {
  const HeadLayout layout = HeadLayout::concatenated(4, 2, 12);
  for (const std::int64_t length : {7, 40}) {
    const Tensor fused = random_normal(kFloat, {2, length, layout.columns()}, 4);
    const Tensor d_y = random_normal(kFloat, {2, length, 48}, 5);
    const auto run = [&](const kernels::Context& context) {
      Tape tape(context);
      const Variable input = tape.input(fused);
      const Variable y = attention(tape, input, layout, {0.3, {}, 0});
      tape.backward_from(y, d_y);
      return std::pair{y.value(), input.gradient()};
    };
    const auto [y, d_fused] = run(dots_);
    const auto [float_y, float_d_fused] = run({});
    const bool few = length < 8;
    EXPECT_EQ(bitwise_equal(y, float_y), few);
    EXPECT_EQ(bitwise_equal(d_fused, float_d_fused), few);
    EXPECT_LT(relative_error(y.to(kDouble), float_y.to(kDouble)), 6.0 / 512);
    EXPECT_LT(relative_error(d_fused.to(kDouble), float_d_fused.to(kDouble)), 6.0 / 512);
  }
}

TEST_F(Bf16Dots, DoNotDependOnThreads) {
  const kernels::Context team{.threads = 3, .bf16_dots = true};
  const Results one = run_linear(dots_, x_, weight_, d_y_),
                three = run_linear(team, x_, weight_, d_y_);
  for (const auto part : {&Results::y, &Results::d_x, &Results::d_weight}) {
    EXPECT_TRUE(bitwise_equal(one.*part, three.*part));
  }
}

TEST_F(Bf16Dots, TernaryLayersStayAsTheyAre) {
  for (const bool quantise : {true, false}) {
    const auto run = [&](const kernels::Context& context) {
      Tape tape(context);
      const Variable x = tape.input(x_), weight = tape.input(weight_);
      const auto ternary = quantise ? ternary_from_weight(context, weight_) : nullptr;
      const Variable y = bit_linear(tape, x, {weight, {}, ternary}, {.quantise = quantise});
      tape.backward_from(y, d_y_);
      return Results{y.value(), x.gradient(), weight.gradient()};
    };
    const Results with = run(dots_), without = run({});
    for (const auto part : {&Results::y, &Results::d_x, &Results::d_weight}) {
      EXPECT_TRUE(bitwise_equal(with.*part, without.*part)) << quantise;
    }
  }
}

}  // namespace
}  // namespace peryton
