// The ternary weight of a layer: made once per change, packed when frozen.
// SPDX-License-Identifier: Apache-2.0
#include "framework/nn/bit_linear.h"

#include <gtest/gtest.h>

#include <cmath>

#include "framework/core/memory.h"
#include "tests/support/finite_difference.h"

namespace peryton {
namespace {

using test::bitwise_equal;
using test::random_normal;

constexpr DType kFloat = DType::kFloat32;

const auto kKeepNothing = [](const Parameter&) { return false; };
const auto kKeepAll = [](const Parameter&) { return true; };

ParameterPtr parameter(const Tensor& value) {
  return std::make_shared<Parameter>(Parameter{"w", "components", value, {}, false});
}

Tensor run(const BitLinear& layer, const Tensor& x) {
  Tape tape({}, Tape::Mode::kInference);
  return layer(tape, tape.constant(x)).value();
}

TEST(BitLinearLayer, QuantisesOncePerChange) {
  const ParameterPtr weight = parameter(random_normal(kFloat, {8, 30}, 1));
  const BitLinear layer(weight, nullptr, {}), copy = layer;
  const TernaryPtr first = layer.ternary({});
  EXPECT_EQ(layer.ternary({}), first);
  EXPECT_EQ(copy.ternary({}), first);
  weight->value.fill(0.25);
  EXPECT_EQ(layer.ternary({}), first);  // not told yet
  ++weight->version;
  EXPECT_NE(layer.ternary({}), first);
  EXPECT_EQ(layer.ternary({})->beta, 0.25f);
  weight->value = random_normal(kFloat, {8, 30}, 2);  // another buffer tells by itself
  EXPECT_NE(layer.ternary({})->beta, 0.25f);
}

TEST(BitLinearLayer, ASharedTableIsReadWhereItIsHeldAndNotReleased) {
  const ParameterPtr holder = parameter(Tensor::full(kFloat, {8, 30}, 0.5));
  const ParameterPtr name = parameter(Tensor::full(kFloat, {8, 30}, 3));
  name->same_as = holder;
  const BitLinear layer(name, nullptr, {});
  EXPECT_EQ(layer.ternary({})->beta, 0.5f);
  holder->value.fill(0.25);
  ++holder->version;
  EXPECT_EQ(layer.ternary({})->beta, 0.25f);
  layer.pack_frozen(kKeepNothing);
  EXPECT_FALSE(is_released(*holder));
}

TEST(BitLinearLayer, TakesAPublishedTernaryWeightAsItIs) {
  const TernaryPtr published = ternary_from_weight({}, random_normal(kFloat, {8, 30}, 1));
  const ParameterPtr weight = parameter(ternary_dense(*published, kFloat));
  const BitLinear layer(weight, nullptr, {.norm = false});
  layer.set_ternary(published);
  EXPECT_EQ(layer.ternary({})->beta, published->beta);
  ++weight->version;
  EXPECT_NE(layer.ternary({})->beta, published->beta);
}

TEST(BitLinearLayer, FrozenAndPackedIsTheSameLayerInAFraction) {
  const Shape shape{2048, 1024};
  const Tensor x = random_normal(kFloat, {3, 1024}, 2), d = random_normal(kFloat, {3, 2048}, 3);
  const std::int64_t before = memory_use().live_bytes;
  const BitLinear layer(parameter(random_normal(DType::kBFloat16, shape, 1)),
                        parameter(random_normal(kFloat, {1024}, 4)), {});
  const std::int64_t bfloat16 = memory_use().live_bytes - before;
  const Tensor y = run(layer, x);
  const auto input_gradient = [&] {
    Tape tape({});
    const Variable input = tape.input(x);
    tape.backward_from(layer(tape, input), d);
    return input.gradient();
  };
  const Tensor d_x = input_gradient();

  layer.pack_frozen(kKeepAll);
  EXPECT_FALSE(is_released(*layer.weight()));
  const std::int64_t others = y.bytes() + d_x.bytes();
  layer.pack_frozen(kKeepNothing);
  layer.pack_frozen(kKeepNothing);  // twice is once
  const std::int64_t packed = memory_use().live_bytes - before - others;
  EXPECT_LE(7 * packed, bfloat16) << packed << " bytes of " << bfloat16;

  EXPECT_TRUE(is_released(*layer.weight()));
  EXPECT_EQ(layer.weight()->value.shape(), shape);
  EXPECT_EQ(layer.weight()->value.dtype(), DType::kBFloat16);
  EXPECT_TRUE(std::isnan(float{layer.weight()->value.data<BFloat16>()[0]}));
  EXPECT_TRUE(bitwise_equal(run(layer, x), y));
  EXPECT_TRUE(bitwise_equal(input_gradient(), d_x));
}

TEST(BitLinearLayer, TrainableWeightsAreNotPacked) {
  const ParameterPtr weight = parameter(random_normal(kFloat, {8, 30}, 1));
  weight->trainable = true;
  const BitLinear layer(weight, nullptr, {});
  layer.pack_frozen(kKeepNothing);
  EXPECT_FALSE(is_released(*weight));
}

}  // namespace
}  // namespace peryton
