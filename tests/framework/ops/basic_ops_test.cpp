// Gradients of linear, arithmetic, embedding and head_loss against central differences in double.
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>

#include "framework/ops/arithmetic.h"
#include "framework/ops/embedding.h"
#include "framework/ops/fused_linear.h"
#include "framework/ops/head_loss.h"
#include "framework/ops/linear.h"
#include "tests/support/finite_difference.h"

namespace peryton {
namespace {

using test::check_gradients;
using test::random_normal;

const kernels::Context kContext{.device = {}, .threads = 1};

Tensor normal(const Shape& shape, std::uint64_t seed) {
  return random_normal(DType::kFloat64, shape, seed);
}

TEST(LinearOp, Gradients) {
  check_gradients([](Tape& tape, const auto& in) { return linear(tape, in[0], in[1], in[2]); },
                  {normal({2, 3, 5}, 1), normal({7, 5}, 2), normal({7}, 3)});
  check_gradients(
      [](Tape& tape, const auto& in) { return linear(tape, slice_last(tape, in[0], 2, 7), in[1]); },
      {normal({2, 3, 9}, 4), normal({4, 5}, 5)});
}

TEST(FusedLinearOp, Gradients) {
  for (const WeightLayout layout : {WeightLayout::kOutIn, WeightLayout::kInOut}) {
    const bool out_in = layout == WeightLayout::kOutIn;
    const auto weight = [&](std::int64_t out, std::uint64_t seed) {
      return normal(out_in ? Shape{out, 5} : Shape{5, out}, seed);
    };
    check_gradients(
        [&](Tape& tape, const auto& in) {
          return fused_linear(tape, in[0], {{in[1], in[2]}, {in[3], {}}, {in[4], in[5]}}, layout);
        },
        {normal({2, 3, 5}, 1), weight(7, 2), normal({7}, 3), weight(4, 4), weight(2, 5),
         normal({2}, 6)});
  }
}

TEST(FusedLinearOp, EqualsItsParts) {
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
    Tape tape(kContext, Tape::Mode::kInference);
    const Variable x = tape.constant(random_normal(dtype, {2, 3, 5}, 1));
    const Variable a = tape.constant(random_normal(dtype, {7, 5}, 2));
    const Variable b = tape.constant(random_normal(dtype, {4, 5}, 3));
    const Variable bias = tape.constant(random_normal(dtype, {4}, 4));
    const Variable whole = fused_linear(tape, x, {{a, {}}, {b, bias}});
    EXPECT_TRUE(test::bitwise_equal(slice_last(tape, whole, 0, 7).value().contiguous_copy(),
                                    linear(tape, x, a).value()));
    EXPECT_TRUE(test::bitwise_equal(slice_last(tape, whole, 7, 11).value().contiguous_copy(),
                                    linear(tape, x, b, bias).value()));
  }
}

TEST(ArithmeticOps, Gradients) {
  check_gradients([](Tape& tape, const auto& in) { return add(tape, in[0], in[1]); },
                  {normal({2, 3}, 1), normal({2, 3}, 2)});
  check_gradients(
      [](Tape& tape, const auto& in) {
        return add(tape, slice_last(tape, in[0], 0, 3), slice_last(tape, in[0], 2, 5));
      },
      {normal({4, 6}, 3)});
  check_gradients(
      [](Tape& tape, const auto& in) {
        return weighted_sum(tape, {in[0], in[1], in[2]}, in[3], 5);
      },
      {normal({2, 3, 5}, 4), normal({2, 3, 7}, 5), normal({2, 3, 2}, 6), normal({3}, 7)});
  check_gradients(
      [](Tape& tape, const auto& in) {
        return split_last(tape, reshape(tape, in[0], {6, 4}), {2, 2});
      },
      {normal({2, 3, 4}, 8)});
  // The middle piece is not used, the first one twice.
  check_gradients(
      [](Tape& tape, const auto& in) {
        const auto pieces = split_columns(tape, in[0], {2, 1, 2});
        return add(tape, add(tape, pieces[0], pieces[2]), pieces[0]);
      },
      {normal({2, 3, 5}, 9)});
}

TEST(ArithmeticOps, WeightOneCopiesToTheBit) {
  Tape tape(kContext, Tape::Mode::kInference);
  Tensor x = random_normal(DType::kFloat32, {3, 5}, 1);
  x.data<float>()[4] = -0.0f;
  const Tensor nan = Tensor::full(DType::kFloat32, {3, 5}, std::nan(""));
  const Tensor c = Tensor::from_values<float>({2}, std::vector<float>{0.0f, 1.0f});
  const Variable sum =
      weighted_sum(tape, {tape.constant(nan), tape.constant(x)}, tape.constant(c), 5);
  EXPECT_TRUE(test::bitwise_equal(sum.value(), x));
}

TEST(EmbeddingOp, GradientsAndRange) {
  const Tensor ids =
      Tensor::from_values<std::int32_t>({2, 3}, std::vector<std::int32_t>{1, 0, 1, 4, 1, 2});
  check_gradients([&](Tape& tape, const auto& in) { return embedding(tape, ids, in[0]); },
                  {normal({5, 3}, 1)});
  Tape tape(kContext);
  const Tensor bad = Tensor::from_values<std::int32_t>({1, 1}, std::vector<std::int32_t>{5});
  EXPECT_THROW(embedding(tape, bad, tape.constant(normal({5, 3}, 1))), Error);
}

HeadLossArgs two_heads(const std::vector<Variable>& in, std::int64_t vocabulary) {
  HeadLossArgs args;
  args.terms = {{in[0], in[1]}, {in[2], in[3]}};
  args.coefficients = in[4];
  args.vocabulary = vocabulary;
  args.targets =
      Tensor::from_values<std::int32_t>({2, 3}, std::vector<std::int32_t>{1, -1, 6, 3, 0, 2});
  args.weights = Tensor::from_values<float>({2, 3}, std::vector<float>{1, 1, 0.5f, 2, 1, 1});
  args.scale = 0.2;
  return args;
}

TEST(HeadLossOp, Gradients) {
  // Vocabulary 7 of tables with 7 and 9 rows: the last two are padding.
  check_gradients([](Tape& tape, const auto& in) { return head_loss(tape, two_heads(in, 7)).loss; },
                  {normal({2, 3, 4}, 1), normal({7, 4}, 2), normal({2, 3, 5}, 3), normal({9, 5}, 4),
                   normal({2}, 5)});
}

TEST(HeadLossOp, TermsWithOneProductShareIt) {
  check_gradients(
      [](Tape& tape, const auto& in) {
        return head_loss(tape, two_heads({in[0], in[1], in[0], in[1], in[2]}, 7)).loss;
      },
      {normal({2, 3, 4}, 1), normal({7, 4}, 2), normal({2}, 3)});
}

// Loss and gradients of hidden states, head and coefficient.
struct Slopes {
  double loss;
  Tensor hidden, head, coefficient;
};

TEST(HeadLossOp, FloatFollowsDoubleAndChunks) {
  const std::int64_t tokens = 640, vocabulary = 65536, width = 3;  // two chunks at float
  std::vector<std::int32_t> targets;
  for (std::int64_t t = 0; t < tokens; ++t) {
    targets.push_back(t % 50 == 7 ? -1 : static_cast<std::int32_t>(t * 37 % vocabulary));
  }
  const auto run = [&](DType dtype, int threads) {
    Tape tape({.device = {}, .threads = threads});
    HeadLossArgs args;
    const Variable h = tape.input(normal({tokens, width}, 1).to(dtype));
    const Variable head = tape.input(normal({vocabulary, width}, 2).to(dtype));
    args.coefficients = tape.input(Tensor::full(dtype, {1}, 0.7));
    args.terms = {{h, head}};
    args.vocabulary = vocabulary;
    args.targets = Tensor::from_values<std::int32_t>({tokens}, targets);
    args.scale = 1.0 / static_cast<double>(tokens);
    const HeadLoss loss = head_loss(tape, args);
    tape.backward(loss.loss);
    return Slopes{loss.loss.value().item(), h.gradient(), head.gradient(),
                  args.coefficients.gradient()};
  };
  const Slopes exact = run(DType::kFloat64, 2), one = run(DType::kFloat32, 1),
               three = run(DType::kFloat32, 3);
  EXPECT_NEAR(one.loss, exact.loss, 1e-5);
  EXPECT_LE(test::relative_error(one.hidden, exact.hidden), 1e-5);
  EXPECT_LE(test::relative_error(one.head, exact.head), 1e-5);
  EXPECT_LE(test::relative_error(one.coefficient, exact.coefficient), 1e-5);
  EXPECT_TRUE(test::bitwise_equal(one.hidden, three.hidden));
  EXPECT_TRUE(test::bitwise_equal(one.head, three.head));
  EXPECT_TRUE(test::bitwise_equal(one.coefficient, three.coefficient));
  EXPECT_EQ(one.loss, three.loss);
}

}  // namespace
}  // namespace peryton
