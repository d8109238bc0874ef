// The tape, through ops that record on it (autograd/ itself has none).
// SPDX-License-Identifier: Apache-2.0
#include "framework/autograd/tape.h"

#include <gtest/gtest.h>

#include "framework/ops/arithmetic.h"
#include "framework/ops/linear.h"
#include "tests/support/finite_difference.h"

namespace peryton {
namespace {

const kernels::Context kContext{.device = {}, .threads = 1};

Parameter make_parameter(const std::string& name, const Shape& shape, bool trainable) {
  Parameter parameter;
  parameter.name = name;
  parameter.value = test::random_normal(DType::kFloat64, shape, 3);
  parameter.trainable = trainable;
  if (trainable) parameter.gradient = Tensor::zeros(DType::kFloat64, shape);
  return parameter;
}

Variable scalar(Tape& tape, const Variable& x) {
  return projection(tape, x, Tensor::full(DType::kFloat64, x.shape(), 1.0));
}

TEST(Tape, RecordsNothingBelowTheFirstTrainable) {
  Parameter frozen = make_parameter("frozen", {4, 4}, false);
  Parameter trained = make_parameter("trained", {4, 4}, true);
  Tape tape(kContext);
  Variable x = tape.constant(test::random_normal(DType::kFloat64, {3, 4}, 1));
  x = linear(tape, x, tape.parameter(frozen));
  EXPECT_EQ(tape.entries(), 0u);
  x = linear(tape, x, tape.parameter(trained));
  x = linear(tape, x, tape.parameter(frozen));
  EXPECT_EQ(tape.entries(), 2u);
  tape.backward(scalar(tape, x));
  EXPECT_FALSE(frozen.gradient.defined());
  EXPECT_GT(test::relative_error(trained.gradient, Tensor::zeros(DType::kFloat64, {4, 4})), 0);
}

TEST(Tape, OneGradientForTwoReadersIsNotShared) {
  Tape tape(kContext);
  const Variable x = tape.input(test::random_normal(DType::kFloat64, {2, 3}, 1));
  const Variable y = tape.input(test::random_normal(DType::kFloat64, {2, 3}, 2));
  const Variable sum = add(tape, add(tape, x, y), x);
  tape.backward(scalar(tape, sum));
  for (const double value : x.gradient().values<double>()) EXPECT_EQ(value, 2.0);
  for (const double value : y.gradient().values<double>()) EXPECT_EQ(value, 1.0);
}

TEST(Tape, ReportsAParameterAfterItsLastUse) {
  Parameter shared = make_parameter("shared", {4, 4}, true);
  Parameter first = make_parameter("first", {4, 4}, true);
  Parameter unused = make_parameter("unused", {4, 4}, true);
  Tape tape(kContext);
  std::vector<std::string> order;
  tape.on_gradient_ready([&](Parameter& parameter) { order.push_back(parameter.name); });
  Variable x = tape.constant(test::random_normal(DType::kFloat64, {3, 4}, 1));
  x = linear(tape, x, tape.parameter(shared));
  x = linear(tape, x, tape.parameter(first));
  x = linear(tape, x, tape.parameter(shared));
  tape.backward(scalar(tape, x));
  EXPECT_EQ(order, (std::vector<std::string>{"first", "shared"}));
}

TEST(Tape, RecomputationGivesTheSameGradients) {
  const auto gradients = [](bool recompute) {
    Parameter weight = make_parameter("weight", {4, 4}, true);
    Tape tape(kContext);
    const Variable x = tape.input(test::random_normal(DType::kFloat64, {3, 4}, 1));
    const Tape::Body body = [&](Tape& on, const std::vector<Variable>& in) {
      return linear(on, linear(on, in[0], on.parameter(weight)), on.parameter(weight));
    };
    int ready = 0;
    tape.on_gradient_ready([&](Parameter&) { ++ready; });
    tape.backward(scalar(tape, recompute ? tape.recompute({x}, body) : body(tape, {x})));
    EXPECT_EQ(ready, 1);
    return std::pair(x.gradient(), weight.gradient);
  };
  const auto kept = gradients(false), again = gradients(true);
  EXPECT_TRUE(test::bitwise_equal(kept.first, again.first));
  EXPECT_TRUE(test::bitwise_equal(kept.second, again.second));
}

TEST(Tape, FrozenLinearKeepsNoInput) {
  Parameter frozen = make_parameter("frozen", {64, 64}, false);
  Tape tape(kContext);
  Variable x = tape.input(test::random_normal(DType::kFloat64, {1000, 64}, 1));
  const std::int64_t before = memory_use().live_bytes;
  for (int i = 0; i < 5; ++i) x = linear(tape, x, tape.parameter(frozen));
  EXPECT_LT(memory_use().live_bytes - before, 2 * 1000 * 64 * 8);
}

}  // namespace
}  // namespace peryton
