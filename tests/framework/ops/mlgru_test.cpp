// SPDX-License-Identifier: Apache-2.0
#include "framework/ops/mlgru.h"

#include <gtest/gtest.h>

#include <cmath>

#include "framework/core/error.h"
#include "tests/support/finite_difference.h"

namespace peryton {
namespace {

using test::check_gradients;
using test::random_normal;

Tensor documents(std::int64_t rows, std::int64_t tokens, std::int64_t length) {
  const Tensor start = Tensor::empty(DType::kInt32, {rows, tokens});
  for (std::int64_t i = 0; i < rows * tokens; ++i) {
    const std::int64_t t = i % tokens;
    start.data<std::int32_t>()[i] = static_cast<std::int32_t>(t - t % length);
  }
  return start;
}

// Inputs: projections, bound, and a carried state. The final state is the last token's h, which the
// random projection of check_gradients weighs too.
TEST(MlgruOp, GradientsAgainstFiniteDifferences) {
  for (const std::int64_t length : {11, 4}) {
    MlgruOptions options;
    if (length < 11) options.document_start = documents(2, 11, length);
    const auto f = [&](Tape& tape, const std::vector<Variable>& v) {
      return mlgru(tape, v[0], v[1], v[2], v[3], options);
    };
    Tensor bound = random_normal(DType::kFloat64, {5}, 3);
    for (double& value : bound.values<double>()) value = 1 / (1 + std::exp(-value));
    check_gradients(f, {random_normal(DType::kFloat64, {2, 11, 5}, 1),
                        random_normal(DType::kFloat64, {2, 11, 5}, 2), bound,
                        random_normal(DType::kFloat64, {2, 5}, 4)});
  }
}

TEST(MlgruOp, LowerBoundsAreCumulativeAndDifferentiable) {
  const Tensor logits = random_normal(DType::kFloat64, {4, 6}, 5);
  Tape tape({});
  const Variable v = tape.input(logits);
  Tensor before = Tensor::zeros(DType::kFloat64, {6});
  for (std::int64_t layer = 0; layer < 4; ++layer) {
    const Tensor bound = mlgru_lower_bound(tape, v, layer).value();
    for (std::int64_t c = 0; c < 6; ++c) {
      const double here = bound.data<double>()[c], last = before.data<double>()[c];
      EXPECT_EQ(layer > 0, here > last) << "0 in the first layer, then growing";
      EXPECT_LT(here, 1);
    }
    before = bound;
    check_gradients(
        [&](Tape& t, const std::vector<Variable>& in) {
          return mlgru_lower_bound(t, in[0], layer);
        },
        {logits});
  }
  // All zero: layer l of L has l / L.
  const Variable even = tape.constant(Tensor::zeros(DType::kFloat64, {4, 1}));
  EXPECT_NEAR(mlgru_lower_bound(tape, even, 3).value().item(), 0.75, 1e-15);
}

TEST(MlgruOp, OutputGatesDifferAndAreDifferentiable) {
  const std::vector<Tensor> inputs{random_normal(DType::kFloat64, {2, 3, 7}, 6),
                                   random_normal(DType::kFloat64, {2, 3, 7}, 7),
                                   random_normal(DType::kFloat64, {7}, 8)};
  std::vector<Tensor> outputs;
  for (const char* name : {"mmfreelm", "fla", "paper"}) {
    const auto gate = mlgru_gate_named(name);
    ASSERT_TRUE(gate.has_value()) << name;
    EXPECT_EQ(name_of(*gate), name);
    const auto f = [&](Tape& tape, const std::vector<Variable>& v) {
      return mlgru_gate(tape, *gate, v[0], v[1], v[2], 1e-6);
    };
    check_gradients(f, inputs);
    Tape tape({});
    outputs.push_back(
        f(tape, {tape.constant(inputs[0]), tape.constant(inputs[1]), tape.constant(inputs[2])})
            .value());
  }
  EXPECT_GT(test::max_difference(outputs[0], outputs[1]), 0.1);
  EXPECT_GT(test::max_difference(outputs[0], outputs[2]), 0.1);
  EXPECT_GT(test::max_difference(outputs[1], outputs[2]), 0.1);
  EXPECT_FALSE(mlgru_gate_named("other").has_value());
}

TEST(MlgruOp, AFrozenInputTakesNoGradient) {
  Tape tape({});
  const Variable u = tape.input(random_normal(DType::kFloat32, {1, 5, 4}, 1));
  const Variable v = tape.constant(random_normal(DType::kFloat32, {1, 5, 4}, 2));
  const Variable bound = tape.constant(Tensor::zeros(DType::kFloat32, {4}));
  tape.backward_from(mlgru(tape, u, v, bound), random_normal(DType::kFloat32, {1, 5, 4}, 3));
  EXPECT_TRUE(u.gradient().defined());
  EXPECT_FALSE(v.gradient().defined());
  EXPECT_FALSE(bound.gradient().defined());
}

}  // namespace
}  // namespace peryton
