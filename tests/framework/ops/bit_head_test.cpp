// SPDX-License-Identifier: Apache-2.0
#include "framework/ops/bit_head.h"

#include <gtest/gtest.h>

#include "framework/ops/linear.h"
#include "tests/support/finite_difference.h"

namespace peryton {
namespace {

using test::max_difference;
using test::random_normal;

struct Inputs {
  Tensor x = random_normal(DType::kFloat32, {2, 3, 70}, 1);
  Tensor weight = random_normal(DType::kFloat32, {19, 70}, 2);
  Tensor gain = random_normal(DType::kFloat32, {70}, 3);
  Tensor d = random_normal(DType::kFloat32, {2, 3, 19}, 4);
};

struct Result {
  Tensor logits, d_x, d_weight, d_gain;
};

// `factors`: through bit_head and a product, else through bit_linear.
Result run(const Inputs& in, const BitLinearOptions& options, bool factors) {
  Tape tape({});
  const Variable x = tape.input(in.x), weight = tape.input(in.weight), gain = tape.input(in.gain);
  const BitLinearTerm term{weight, gain,
                           options.quantise ? ternary_from_weight({}, in.weight) : nullptr};
  Variable logits;
  if (factors) {
    const HeadTerm head = bit_head(tape, x, term, options);
    logits = linear(tape, head.hidden, head.weight);
  } else {
    logits = bit_linear(tape, x, term, options);
  }
  tape.backward_from(logits, in.d);
  return {logits.value(), x.gradient(), weight.gradient(), gain.gradient()};
}

// The product of the factors is the layer, and so are the gradients.
TEST(BitHead, FactorsGiveTheLayer) {
  const Inputs in;
  for (const bool quantise : {true, false}) {
    const BitLinearOptions options{.quantise = quantise};
    const Result whole = run(in, options, false), factors = run(in, options, true);
    EXPECT_LE(max_difference(factors.logits, whole.logits), 2e-5);
    EXPECT_LE(test::relative_error(factors.d_x, whole.d_x), 1e-6);
    EXPECT_LE(test::relative_error(factors.d_weight, whole.d_weight), 1e-6);
    EXPECT_LE(test::relative_error(factors.d_gain, whole.d_gain), 1e-6);
  }
  // The two kinds differ, so the comparison above is one of rounded layers.
  EXPECT_GT(max_difference(run(in, {}, true).logits, run(in, {.quantise = false}, true).logits),
            0.1);
}

TEST(BitHead, FrozenFactorsTakeNoGradient) {
  const Inputs in;
  Tape tape({});
  const BitLinearTerm term{tape.constant(in.weight), tape.constant(in.gain),
                           ternary_from_weight({}, in.weight)};
  const HeadTerm frozen = bit_head(tape, tape.constant(in.x), term, {});
  EXPECT_FALSE(frozen.hidden.needs_gradient());
  EXPECT_FALSE(frozen.weight.needs_gradient());
  EXPECT_EQ(tape.entries(), 0u);
}

TEST(BitHead, MatrixIsTheMapOnRowsOfRmsOne) {
  const Inputs in;
  const Tensor matrix = bit_head_matrix(ternary_from_weight({}, in.weight), in.weight, in.gain);
  Tape tape({});
  // Rows of RMS one whose gained values are integers up to 127: nothing is rounded.
  const Tensor ones = Tensor::full(DType::kFloat32, {1, 70}, 1);
  const Tensor gain = Tensor::full(DType::kFloat32, {70}, 0.5);
  const BitLinearTerm term{tape.constant(in.weight), tape.constant(gain),
                           ternary_from_weight({}, in.weight)};
  const Tensor want = bit_linear(tape, tape.constant(ones), term, {}).value();
  const Tensor flat = bit_head_matrix(term.ternary, in.weight, gain);
  EXPECT_LE(max_difference(linear(tape, tape.constant(ones), tape.constant(flat)).value(), want),
            2e-5);
  EXPECT_GT(max_difference(matrix, flat), 0.1);
}

}  // namespace
}  // namespace peryton
