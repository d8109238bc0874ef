// Layer and root-mean-square normalisation: gradients, and nothing for weights that are frozen.
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "framework/ops/arithmetic.h"
#include "framework/ops/norm.h"
#include "tests/support/finite_difference.h"

namespace peryton {
namespace {

using test::check_gradients;
using test::random_normal;

constexpr DType kDouble = DType::kFloat64;

TEST(LayerNorm, Gradients) {
  const auto f = [](Tape& tape, const std::vector<Variable>& v) {
    return layer_norm(tape, v[0], v[1], v[2], 1e-5);
  };
  check_gradients(f, {random_normal(kDouble, {2, 3, 7}, 1), random_normal(kDouble, {7}, 2),
                      random_normal(kDouble, {7}, 3)});
}

TEST(LayerNorm, GradientsOfStridedInputWithoutBias) {
  const auto f = [](Tape& tape, const std::vector<Variable>& v) {
    return layer_norm(tape, v[0], v[1], Variable(), 1e-5);
  };
  check_gradients(
      f, {random_normal(kDouble, {4, 12}, 1).slice(-1, 3, 8), random_normal(kDouble, {5}, 2)});
}

TEST(RmsNorm, Gradients) {
  const auto f = [](Tape& tape, const std::vector<Variable>& v) {
    return rms_norm(tape, v[0], v[1], v.size() > 2 ? v[2] : Variable(), 1e-6);
  };
  check_gradients(f, {random_normal(kDouble, {5, 6}, 1), random_normal(kDouble, {6}, 2)});
  check_gradients(f, {random_normal(kDouble, {5, 6}, 1), random_normal(kDouble, {6}, 2),
                      random_normal(kDouble, {6}, 3)});
}

// Used: the norm, both, and the sum twice.
TEST(JoinedNorm, Gradients) {
  for (const int use : {1, 2, 3}) {
    const auto f = [use](Tape& tape, const std::vector<Variable>& v) {
      const JoinedNorm j = v.size() > 3 ? add_layer_norm(tape, v[0], v[1], v[2], v[3], 1e-5)
                                        : add_rms_norm(tape, v[0], v[1], v[2], Variable(), 1e-6);
      if (use == 1) return j.normed;
      const Variable both = add(tape, j.sum, j.normed);
      return use == 2 ? both : add(tape, both, j.sum);
    };
    check_gradients(f, {random_normal(kDouble, {2, 3, 7}, 1), random_normal(kDouble, {2, 3, 7}, 2),
                        random_normal(kDouble, {7}, 3), random_normal(kDouble, {7}, 4)});
    check_gradients(f, {random_normal(kDouble, {5, 6}, 1), random_normal(kDouble, {5, 6}, 2),
                        random_normal(kDouble, {6}, 3)});
  }
}

TEST(JoinedNorm, ASumWhoseNormIsNotUsed) {
  const auto f = [](Tape& tape, const std::vector<Variable>& v) {
    const Variable weight = tape.constant(random_normal(kDouble, {7}, 3));
    return add_rms_norm(tape, v[0], v[1], weight, Variable(), 1e-6).sum;
  };
  check_gradients(f, {random_normal(kDouble, {2, 7}, 1), random_normal(kDouble, {2, 7}, 2)});
}

TEST(JoinedNorm, IsAddAndNormToTheBit) {
  const Tensor x = random_normal(DType::kFloat32, {9, 37}, 1);
  const Tensor branch = random_normal(DType::kFloat32, {9, 37}, 2);
  Tape tape({});
  const Variable weight = tape.constant(random_normal(DType::kFloat32, {37}, 3));
  const JoinedNorm joined =
      add_layer_norm(tape, tape.constant(x), tape.constant(branch), weight, Variable(), 1e-5);
  const Variable sum = add(tape, tape.constant(x), tape.constant(branch));
  EXPECT_TRUE(test::bitwise_equal(joined.sum.value(), sum.value()));
  EXPECT_TRUE(test::bitwise_equal(joined.normed.value(),
                                  layer_norm(tape, sum, weight, Variable(), 1e-5).value()));
}

TEST(LayerNorm, FrozenWeightsPassTheInputGradient) {
  const kernels::Context context;
  const Tensor x = random_normal(DType::kFloat32, {9, 20}, 1);
  Parameter weight{"w", "norms", random_normal(DType::kFloat32, {20}, 2), {}, false};
  Parameter bias{"b", "norms", random_normal(DType::kFloat32, {20}, 3), {}, false};
  Tape frozen(context);
  const Variable input = frozen.input(x);
  const Variable y =
      layer_norm(frozen, input, frozen.parameter(weight), frozen.parameter(bias), 1e-5);
  frozen.backward_from(y, x);
  EXPECT_FALSE(weight.gradient.defined());

  weight.trainable = bias.trainable = true;
  weight.gradient = Tensor::zeros(DType::kFloat32, {20});
  bias.gradient = Tensor::zeros(DType::kFloat32, {20});
  Tape trained(context);
  const Variable same = trained.input(x);
  trained.backward_from(
      layer_norm(trained, same, trained.parameter(weight), trained.parameter(bias), 1e-5), x);
  EXPECT_TRUE(test::bitwise_equal(input.gradient(), same.gradient()));
  EXPECT_GT(test::max_difference(bias.gradient, Tensor::zeros(DType::kFloat32, {20})), 0);
}

TEST(LayerNorm, NothingIsRecordedBelowTheFirstTrainable) {
  Tape tape({});
  const Variable x = tape.constant(random_normal(DType::kFloat32, {3, 4}, 1));
  const Variable w = tape.constant(random_normal(DType::kFloat32, {4}, 2));
  layer_norm(tape, x, w, Variable(), 1e-5);
  EXPECT_EQ(tape.entries(), 0u);
}

}  // namespace
}  // namespace peryton
