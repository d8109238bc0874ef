// BitLinear on the tape: against an independent implementation, finite differences, and itself.
// SPDX-License-Identifier: Apache-2.0
#include "framework/ops/bit_linear.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "framework/checkpoint/safetensors.h"
#include "framework/core/warn_once.h"
#include "framework/ops/arithmetic.h"
#include "framework/ops/linear.h"
#include "tests/support/finite_difference.h"

namespace peryton {
namespace {

using test::bitwise_equal;
using test::check_gradients;
using test::random_normal;
using test::relative_error;

constexpr DType kDouble = DType::kFloat64, kFloat = DType::kFloat32;

BitLinearTerm term_of(Tape& tape, const Variable& weight, const Variable& gain, bool quantise) {
  return {weight, gain, quantise ? ternary_from_weight(tape.context(), weight.value()) : nullptr};
}

struct GoldenCase {
  const char* name;
  std::size_t layers;
  bool norm;
  double eps;
};

// Parameters with gradients, so that the way a trainer takes is tested too.
Parameter trainable(const Tensor& value) {
  return {"p", "components", value, Tensor::zeros(kFloat, value.shape()), true};
}

TEST(BitLinear, EqualsAnIndependentImplementation) {
  const auto file =
      SafetensorsFile::open(std::string(PERYTON_GOLDEN_DIR) + "/bit_linear/cases.safetensors");
  for (const GoldenCase& c :
       {GoldenCase{"single", 1, true, 1e-6}, GoldenCase{"group", 3, true, 1e-6},
        GoldenCase{"plain", 2, false, 0}, GoldenCase{"no_gain", 1, true, 1e-5}}) {
    const auto get = [&](const std::string& key) { return file.load(c.name + ("." + key)); };
    Tape tape({});
    const Variable x = tape.input(get("x"));
    std::vector<Parameter> weights, gains;
    std::vector<Tensor> d_y;
    for (std::size_t i = 0; i < c.layers; ++i) {
      const std::string index = "." + std::to_string(i);
      weights.push_back(trainable(get("weight" + index)));
      d_y.push_back(get("d_y" + index));
      if (file.contains(c.name + (".gain" + index)))
        gains.push_back(trainable(get("gain" + index)));
    }
    std::vector<BitLinearTerm> terms;
    for (std::size_t i = 0; i < c.layers; ++i) {
      const Variable gain = gains.empty() ? Variable() : tape.parameter(gains[i]);
      terms.push_back(term_of(tape, tape.parameter(weights[i]), gain, true));
    }
    const Variable y = bit_linears(tape, x, terms, {.norm = c.norm, .eps = c.eps});
    const Tensor gradient = Tensor::empty(kFloat, y.shape());
    std::int64_t begin = 0;
    for (std::size_t i = 0; i < c.layers; ++i) {
      const std::int64_t end = begin + d_y[i].size(1);
      gradient.slice(1, begin, end).copy_from(d_y[i]);
      const Tensor expected = get("y." + std::to_string(i));
      EXPECT_LT(relative_error(y.value().slice(1, begin, end).contiguous_copy(), expected), 1e-6);
      begin = end;
    }
    tape.backward_from(y, gradient);
    EXPECT_LT(relative_error(x.gradient(), get("grad.x")), 2e-6) << c.name;
    for (std::size_t i = 0; i < c.layers; ++i) {
      const std::string index = "." + std::to_string(i);
      EXPECT_LT(relative_error(weights[i].gradient, get("grad.weight" + index)), 2e-6) << c.name;
      if (gains.empty()) continue;
      EXPECT_LT(relative_error(gains[i].gradient, get("grad.gain" + index)), 2e-6) << c.name;
    }
  }
}

// dW takes the quantised activations: on the golden's inputs the plain ones give something else.
TEST(BitLinear, WeightGradientUsesQuantisedRows) {
  const Tensor x = random_normal(kFloat, {3, 20}, 1), w = random_normal(kFloat, {4, 20}, 2);
  const Tensor d_y = random_normal(kFloat, {3, 4}, 3);
  const auto gradient = [&](bool quantise) {
    Tape tape({});
    Parameter weight = trainable(w);
    const BitLinearOptions options{.norm = false, .quantise = quantise};
    const auto term = term_of(tape, tape.parameter(weight), {}, quantise);
    tape.backward_from(bit_linear(tape, tape.constant(x), term, options), d_y);
    return weight.gradient;
  };
  const double difference = relative_error(gradient(true), gradient(false));
  EXPECT_GT(difference, 1e-3);
  EXPECT_LT(difference, 2e-2);  // and differs by rounding to 8 bits only
}

TEST(BitLinear, GradientsWithIdentityQuantisers) {
  const auto group = [](bool norm, bool gains) {
    return [=](Tape& tape, const std::vector<Variable>& v) {
      const BitLinearOptions options{.norm = norm, .eps = 1e-3, .quantise = false};
      return bit_linears(tape, v[0],
                         {term_of(tape, v[1], gains ? v[3] : Variable(), false),
                          term_of(tape, v[2], gains ? v[4] : Variable(), false)},
                         options);
    };
  };
  const std::vector<Tensor> inputs{random_normal(kDouble, {2, 3, 9}, 1),
                                   random_normal(kDouble, {4, 9}, 2),
                                   random_normal(kDouble, {5, 9}, 3),
                                   random_normal(kDouble, {9}, 4), random_normal(kDouble, {9}, 5)};
  check_gradients(group(true, true), inputs);
  check_gradients(group(true, false), {inputs.begin(), inputs.begin() + 3});
  check_gradients(group(false, false), {inputs.begin(), inputs.begin() + 3});
}

TEST(BitLinear, StridedInputsAndOtherTypesAreTheSameLayer) {
  const Tensor wide = random_normal(kFloat, {6, 50}, 1), w = random_normal(kFloat, {7, 33}, 2);
  const Tensor x = wide.slice(1, 11, 44);
  const auto run = [&](const Tensor& input) {
    Tape tape({}, Tape::Mode::kInference);
    return bit_linear(tape, tape.constant(input), term_of(tape, tape.constant(w), {}, true), {})
        .value();
  };
  const Tensor y = run(x.contiguous_copy());
  EXPECT_TRUE(bitwise_equal(run(x), y));
  EXPECT_TRUE(bitwise_equal(run(x.to(kDouble)), y.to(kDouble)));
  const Tensor narrow = x.to(DType::kBFloat16);
  EXPECT_EQ(run(narrow).dtype(), DType::kBFloat16);
  EXPECT_TRUE(bitwise_equal(run(narrow), run(narrow.to(kFloat)).to(DType::kBFloat16)));
}

TEST(BitLinear, ThreadsChangeNoBit) {
  const auto run = [](int threads) {
    Tape tape({.device = {}, .threads = threads});
    Parameter weight = trainable(random_normal(kFloat, {70, 600}, 1));
    Parameter gain = trainable(random_normal(kFloat, {600}, 2));
    const Variable x = tape.input(random_normal(kFloat, {301, 600}, 3));
    const Variable y =
        bit_linear(tape, x, term_of(tape, tape.parameter(weight), tape.parameter(gain), true), {});
    tape.backward_from(y, random_normal(kFloat, {301, 70}, 4));
    return std::vector<Tensor>{y.value(), x.gradient(), weight.gradient, gain.gradient};
  };
  const auto one = run(1), three = run(3);
  for (std::size_t i = 0; i < one.size(); ++i) EXPECT_TRUE(bitwise_equal(one[i], three[i])) << i;
}

TEST(BitLinear, FrozenLayersPassTheInputGradientAndKeepNoWeight) {
  const Tensor x = random_normal(kFloat, {9, 40}, 1), d = random_normal(kFloat, {9, 6}, 2);
  Parameter weight{"w", "components", random_normal(kFloat, {6, 40}, 3), {}, false};
  Parameter gain{"g", "norms", random_normal(kFloat, {40}, 4), {}, false};
  const auto input_gradient = [&] {
    Tape tape({});
    const Variable input = tape.input(x);
    const auto term = term_of(tape, tape.parameter(weight), tape.parameter(gain), true);
    tape.backward_from(bit_linear(tape, input, term, {}), d);
    return input.gradient();
  };
  const Tensor frozen = input_gradient();
  EXPECT_FALSE(weight.gradient.defined());
  weight = trainable(weight.value);
  gain = trainable(gain.value);
  EXPECT_TRUE(bitwise_equal(frozen, input_gradient()));

  Tape tape({});
  const Variable constant = tape.constant(weight.value);
  bit_linear(tape, tape.constant(x), term_of(tape, constant, {}, true), {});
  EXPECT_EQ(tape.entries(), 0u);
}

TEST(BitLinear, WiderThanTheFastPathIsTheReferenceAndWarnsOnce) {
  const std::int64_t width = 132'105;
  const Tensor x = Tensor::full(kFloat, {2, width}, 1), w = Tensor::full(kFloat, {1, width}, 0.5);
  Tape tape({}, Tape::Mode::kInference);
  const BitLinearOptions options{.norm = false};
  const auto term = term_of(tape, tape.constant(w), {}, true);
  const Tensor y = bit_linear(tape, tape.constant(x), term, options).value();
  EXPECT_NEAR(y.data<float>()[1], 0.5 * static_cast<double>(width), 1);
  // Said already, in these words.
  EXPECT_FALSE(warn_once(
      "a ternary product of [1, 132105] is wider than the fast path takes; it runs slowly"));
  EXPECT_TRUE(warn_once("said for the first time"));
}

TEST(BitLinear, BrokenInputsMakeNaNs) {
  Tensor x = random_normal(kFloat, {2, 8}, 1);
  x.data<float>()[3] = std::numeric_limits<float>::infinity();
  Tensor w = random_normal(kFloat, {2, 8}, 2);
  Tape tape({}, Tape::Mode::kInference);
  const auto run = [&] {
    return bit_linear(tape, tape.constant(x), term_of(tape, tape.constant(w), {}, true), {})
        .value();
  };
  const Tensor y = run();
  EXPECT_TRUE(std::isnan(y.data<float>()[0]));
  EXPECT_TRUE(std::isfinite(y.data<float>()[2]));  // the other row
  w.data<float>()[0] = std::nanf("");
  EXPECT_TRUE(std::isnan(run().data<float>()[2]));
}

}  // namespace
}  // namespace peryton
