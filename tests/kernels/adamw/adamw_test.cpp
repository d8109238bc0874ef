// SPDX-License-Identifier: Apache-2.0
#include "kernels/adamw/adamw.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

namespace peryton::kernels {
namespace {

struct State {
  std::vector<float> weights, gradients, moment1, moment2;

  explicit State(std::size_t count)
      : weights(count), gradients(count), moment1(count), moment2(count) {
    std::mt19937 generator(17);
    std::normal_distribution<float> normal;
    for (std::size_t i = 0; i < count; ++i) {
      weights[i] = normal(generator);
      gradients[i] = i % 7 == 0 ? 0.0f : normal(generator);
      moment1[i] = normal(generator);
      moment2[i] = i % 5 == 0 ? 1e-40f : normal(generator) * normal(generator);
      moment2[i] = std::abs(moment2[i]);
    }
  }
  AdamWArgs<float> args() {
    return {.weights = weights.data(),
            .gradients = gradients.data(),
            .moment1 = moment1.data(),
            .moment2 = moment2.data(),
            .count = static_cast<std::int64_t>(weights.size()),
            .gradient_scale = 0.7,
            .decay = 1e-3,
            .beta1 = 0.9,
            .beta2 = 0.95,
            .epsilon = 1e-8,
            .step_size = 1e-2,
            .inverse_root_correction = 1.3};
  }
  bool same_bits(const State& other) const {
    const auto equal = [](const std::vector<float>& a, const std::vector<float>& b) {
      return a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
    };
    return equal(weights, other.weights) && equal(moment1, other.moment1) &&
           equal(moment2, other.moment2);
  }
};

// Sizes around vector and block borders; any instruction set that PERYTON_MAX_ISA leaves.
TEST(AdamWKernel, FastPathHasTheBitsOfTheReference) {
  for (const std::size_t count : {0u, 1u, 15u, 16u, 17u, 16383u, 16384u, 50001u}) {
    State fast(count), reference(count);
    cpu::adamw(fast.args(), {.threads = 2});
    cpu::adamw_reference(reference.args(), {});
    EXPECT_TRUE(fast.same_bits(reference)) << count << " elements";
  }
}

TEST(AdamWKernel, WritesNothingBehindItsRange) {
  State state(40);
  const State before = state;
  AdamWArgs<float> args = state.args();
  args.count = 21;
  cpu::adamw(args, {});
  for (std::size_t i = 0; i < 40; ++i) {
    EXPECT_EQ(state.weights[i] == before.weights[i], i >= 21) << i;
    if (i >= 21) {
      EXPECT_EQ(state.moment1[i], before.moment1[i]);
    }
  }
}

TEST(SquarePartials, AddUpForAnyNumberOfThreads) {
  const State state(3 * kSquareBlock + 77);
  const auto count = static_cast<std::int64_t>(state.weights.size());
  std::vector<double> one(4), many(4);
  ASSERT_EQ(square_blocks(count), 4);
  cpu::square_partials(SquaresArgs<float>{state.weights.data(), count, one.data()}, {});
  cpu::square_partials(SquaresArgs<float>{state.weights.data(), count, many.data()},
                       {.threads = 3});
  EXPECT_EQ(one, many);
  double plain = 0;
  for (const float value : state.weights) plain += static_cast<double>(value) * value;
  EXPECT_NEAR(tree_sum(one.data(), 4), plain, plain * 1e-13);
}

TEST(TreeSum, SplitsAtThePowerOfTwoBelow) {
  const std::vector<double> values{1e16, 1.0, -1e16, 1.0, 3.0};
  EXPECT_EQ(tree_sum(values.data(), 0), 0.0);
  EXPECT_EQ(tree_sum(values.data(), 1), 1e16);
  EXPECT_EQ(tree_sum(values.data(), 5), ((1e16 + 1.0) + (-1e16 + 1.0)) + 3.0);
  EXPECT_EQ(tree_sum(values.data() + 2, 3), (-1e16 + 1.0) + 3.0);
}

}  // namespace
}  // namespace peryton::kernels
