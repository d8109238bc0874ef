// Packed ternary layouts and the quantisation of weights.
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <vector>

#include "framework/core/rng.h"
#include "kernels/ternary_pack/base3.h"
#include "kernels/ternary_pack/ternary_pack.h"

namespace peryton::kernels {
namespace {

using cpu::ternary_pack;
using cpu::ternary_unpack;

constexpr TernaryShape kShapes[] = {{1, 1},   {1, 64},   {7, 255},  {8, 256},
                                    {9, 257}, {16, 320}, {17, 700}, {3, 1281}};

std::vector<std::int8_t> random_values(const TernaryShape& shape, std::uint64_t seed) {
  const Rng rng(seed, RandomPurpose::kTest);
  std::vector<std::int8_t> values(static_cast<std::size_t>(shape.rows * shape.columns));
  std::uint64_t index = 0;
  for (auto& value : values) value = static_cast<std::int8_t>(rng.below(index++, 3) - 1);
  return values;
}

std::vector<std::uint8_t> packed_of(const std::vector<std::int8_t>& values,
                                    const TernaryShape& shape) {
  std::vector<std::uint8_t> packed(static_cast<std::size_t>(shape.bytes()));
  ternary_pack(packed.data(), values.data(), shape);
  return packed;
}

TEST(TernaryPack, RoundTripOfBothLayouts) {
  for (const TernaryShape& shape : kShapes) {
    const auto values = random_values(shape, 1);
    const auto packed = packed_of(values, shape);
    EXPECT_EQ(cpu::ternary_first_invalid(packed.data(), shape), -1);
    std::vector<std::int8_t> back(values.size());
    ternary_unpack(back.data(), packed.data(), shape);
    EXPECT_EQ(back, values) << shape.rows << " x " << shape.columns;

    std::vector<std::uint8_t> base3(static_cast<std::size_t>(base3_bytes(shape)));
    cpu::base3_from_packed(base3.data(), packed.data(), shape);
    std::vector<std::uint8_t> again(packed.size());
    EXPECT_EQ(cpu::packed_from_base3(again.data(), base3.data(), shape), -1);
    EXPECT_EQ(again, packed) << shape.rows << " x " << shape.columns;
  }
}

// The layout itself, byte by byte, so that a file of today can be read tomorrow.
TEST(TernaryPack, LayoutIsTheDocumentedOne) {
  const TernaryShape shape{10, 300};
  std::vector<std::int8_t> values(3000, 0);
  values[8 * 300 + 256 + 5] = 1;      // row tile 1, column tile 1, row 0, plane 0, byte 5
  values[1 * 300 + 64 * 3 + 7] = -1;  // tile 0, row 1, plane 3, byte 7
  const auto packed = packed_of(values, shape);
  std::vector<std::uint8_t> expected(4 * 512, 0x55);
  expected[3 * 512 + 5] = 0x56;
  expected[64 + 7] = 0x15;
  EXPECT_EQ(packed, expected);
}

TEST(TernaryPack, AllBase3BytesComeBack) {
  std::set<int> bytes;
  for (int v = 0; v < 243; ++v) {
    const std::uint8_t codes[5] = {
        static_cast<std::uint8_t>(v / 81), static_cast<std::uint8_t>(v / 27 % 3),
        static_cast<std::uint8_t>(v / 9 % 3), static_cast<std::uint8_t>(v / 3 % 3),
        static_cast<std::uint8_t>(v % 3)};
    const std::uint8_t byte = base3_encode(codes);
    EXPECT_EQ(byte, std::ceil(v * 256 / 243.0));
    bytes.insert(byte);
    std::uint8_t back[5];
    base3_decode(byte, back);
    for (int i = 0; i < 5; ++i) EXPECT_EQ(back[i], codes[i]) << v;
  }
  EXPECT_EQ(bytes.size(), 243u);
}

TEST(TernaryPack, DamageIsFound) {
  const TernaryShape shape{9, 257};
  auto packed = packed_of(random_values(shape, 2), shape);
  const auto good = packed;
  packed[shape.byte_of(8, 100)] |= 3 << 2;
  EXPECT_EQ(cpu::ternary_first_invalid(packed.data(), shape), shape.byte_of(8, 100));
  packed = good;
  packed[shape.byte_of(9, 3)] ^= 1;  // a row of padding: code 0
  EXPECT_EQ(cpu::ternary_first_invalid(packed.data(), shape), shape.byte_of(9, 3));
  const std::vector<std::int8_t> wrong{2};
  EXPECT_THROW(ternary_pack(packed.data(), wrong.data(), {1, 1}), ArgumentError);

  std::vector<std::uint8_t> base3(static_cast<std::size_t>(base3_bytes(shape)));
  cpu::base3_from_packed(base3.data(), good.data(), shape);
  base3[70] = 20;  // ceil(256 v / 243) is 19 or 21 there, never 20
  std::uint8_t codes[5];
  base3_decode(20, codes);
  ASSERT_NE(base3_encode(codes), 20);
  EXPECT_EQ(cpu::packed_from_base3(packed.data(), base3.data(), shape), 70);
}

struct Quantised {
  std::int64_t sum;
  TernaryScale scale;
  std::vector<std::int8_t> values;
};

template <class T>
Quantised quantise(const std::vector<T>& weight, const TernaryShape& shape,
                   TernaryScaleMode mode = TernaryScaleMode::kFloat32, int threads = 1) {
  const TernarySource<T> source{weight.data(), shape, shape.columns};
  const Context context{.device = {}, .threads = threads};
  std::vector<std::int64_t> partial(static_cast<std::size_t>(shape.row_tiles()));
  Quantised result;
  result.sum = cpu::ternary_absolute_sum(source, partial.data(), context);
  result.scale = ternary_scale(result.sum, shape.rows * shape.columns, mode);
  std::vector<std::uint8_t> packed(static_cast<std::size_t>(shape.bytes()));
  cpu::ternary_quantise(packed.data(), source, result.scale, context);
  EXPECT_EQ(cpu::ternary_first_invalid(packed.data(), shape), -1);
  result.values.resize(weight.size());
  ternary_unpack(result.values.data(), packed.data(), shape);
  return result;
}

std::vector<float> normals(std::int64_t count, std::uint64_t seed, double scale) {
  const Rng rng(seed, RandomPurpose::kTest);
  std::vector<float> values(static_cast<std::size_t>(count));
  std::uint64_t index = 0;
  for (float& value : values) value = static_cast<float>(scale * rng.normal(index++));
  return values;
}

TEST(TernaryQuantise, EqualsTheFormulaAndThreadsChangeNoBit) {
  for (const TernaryShape& shape : kShapes) {
    const auto weight = normals(shape.rows * shape.columns, 3, 0.02);
    const Quantised got = quantise(weight, shape);
    double sum = 0;
    for (const float w : weight) sum += std::abs(static_cast<double>(w));
    const double mean = sum / static_cast<double>(weight.size());
    // One rounding to float, and 2^-31 for each tile.
    EXPECT_NEAR(got.scale.beta, mean, mean * 1.2e-7 + 1e-9);
    for (std::size_t i = 0; i < weight.size(); ++i) {
      const float ratio = weight[i] / got.scale.beta;
      EXPECT_EQ(got.values[i], std::fmax(-1.0f, std::fmin(1.0f, std::nearbyint(ratio))));
    }
    const Quantised other = quantise(weight, shape, TernaryScaleMode::kFloat32, 3);
    EXPECT_EQ(got.sum, other.sum);
    EXPECT_EQ(got.values, other.values);
  }
}

TEST(TernaryQuantise, ScaleIsTheSameForEveryCutAlongTiles) {
  const TernaryShape shape{24, 700};
  const auto weight = normals(shape.rows * shape.columns, 4, 3.0);
  const std::int64_t whole = quantise(weight, shape).sum;
  std::int64_t partial[3], sum = 0;
  const auto add = [&](std::int64_t row, std::int64_t column, const TernaryShape& part) {
    sum += cpu::ternary_absolute_sum<float>(
        {weight.data() + row * shape.columns + column, part, shape.columns}, partial, {});
  };
  add(0, 0, {8, 256});  // uneven: 8 + 16 rows, 256 + 444 columns
  add(0, 256, {8, 444});
  add(8, 0, {16, 256});
  add(8, 256, {16, 444});
  EXPECT_EQ(sum, whole);
}

TEST(TernaryQuantise, EdgesFloorsAndTies) {
  // Mean |w| = 1: 0.5 and -0.5 round to even, to zero; 1.5 and 3 are clipped.
  const std::vector<float> weight{0.5f, -0.5f, std::nextafter(0.5f, 1.0f), 1.5f, -1.5f,
                                  3.0f, 0.0f,  -std::nextafter(0.5f, 1.0f)};
  const Quantised got = quantise(weight, {1, 8});
  EXPECT_EQ(got.scale.beta, 1.0f);
  EXPECT_EQ(got.values, (std::vector<std::int8_t>{0, 0, 1, 1, -1, 1, 0, -1}));
  const Quantised zero = quantise(std::vector<float>(300, 0.0f), {1, 300});
  EXPECT_EQ(zero.scale.beta, kTernaryFloor);
  EXPECT_EQ(zero.values, std::vector<std::int8_t>(300, 0));
  for (const float bad : {std::nanf(""), INFINITY, 1e30f}) {
    EXPECT_TRUE(std::isnan(quantise(std::vector<float>{1.0f, bad}, {1, 2}).scale.beta));
  }
}

TEST(TernaryQuantise, GaussianWeightsHaveTheKnownShareOfZeros) {
  const TernaryShape shape{512, 512};
  const auto weight = normals(shape.rows * shape.columns, 5, 0.02);
  const Quantised exact = quantise(weight, shape);
  const auto zeros = std::count(exact.values.begin(), exact.values.end(), 0);
  // P(|w| < beta / 2) = 31.0 %; the standard error over 2^18 weights is 0.09 %.
  EXPECT_NEAR(static_cast<double>(zeros) / static_cast<double>(weight.size()), 0.310, 0.004);
  const std::vector<BFloat16> narrow(weight.begin(), weight.end());
  EXPECT_NEAR(quantise(narrow, shape).scale.beta, exact.scale.beta, 1e-3 * exact.scale.beta);

  // Published bfloat16 arithmetic flips about 0.06 % of the signs per 2^-9 of the scale, and about
  // as many again by rounding the products.
  const Quantised emulated = quantise(weight, shape, TernaryScaleMode::kBFloat16);
  EXPECT_NEAR(emulated.scale.beta, exact.scale.beta, exact.scale.beta * 3.0 / 256);
  EXPECT_EQ(emulated.scale.beta, float{BFloat16(emulated.scale.beta)});
  std::int64_t flips = 0;
  for (std::size_t i = 0; i < weight.size(); ++i) flips += emulated.values[i] != exact.values[i];
  EXPECT_GT(flips, 0);
  EXPECT_LT(static_cast<double>(flips) / static_cast<double>(weight.size()), 0.006);
}

TEST(TernaryExpand, EqualsUnpackingForAnyRectangle) {
  const TernaryShape shape{19, 700};
  const auto values = random_values(shape, 6);
  const auto packed = packed_of(values, shape);
  std::vector<float> out(5 * 600, -7.0f);
  cpu::ternary_expand<float>({.output = out.data(),
                              .output_stride = 600,
                              .packed = packed.data(),
                              .shape = shape,
                              .row = 13,
                              .rows = 5,
                              .column = 33,
                              .columns = 590,
                              .scale = 0.25f});
  for (std::int64_t r = 0; r < 5; ++r) {
    for (std::int64_t c = 0; c < 590; ++c) {
      ASSERT_EQ(out[r * 600 + c], 0.25f * values[(13 + r) * 700 + 33 + c]) << r << ' ' << c;
    }
    EXPECT_EQ(out[r * 600 + 590], -7.0f);
  }
}

}  // namespace
}  // namespace peryton::kernels
