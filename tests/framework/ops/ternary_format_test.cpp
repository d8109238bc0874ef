// Ternary matrices as bytes: round trips, the documented example, and damage.
// SPDX-License-Identifier: Apache-2.0
#include "framework/ops/ternary_format.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/finite_difference.h"

namespace peryton {
namespace {

using test::bitwise_equal;

TernaryPtr random_matrix(std::int64_t rows, std::int64_t columns, std::uint64_t seed = 1) {
  return ternary_from_weight({}, test::random_normal(DType::kFloat32, {rows, columns}, seed));
}

void expect_same(const TernaryMatrix& a, const TernaryMatrix& b) {
  EXPECT_EQ(a.shape.rows, b.shape.rows);
  EXPECT_EQ(a.shape.columns, b.shape.columns);
  EXPECT_EQ(a.beta, b.beta);
  EXPECT_TRUE(bitwise_equal(a.packed, b.packed));
}

TEST(TernaryMatrix, DenseIsTheScaledSigns) {
  const Tensor weight = test::random_normal(DType::kFloat32, {9, 300}, 2);
  const TernaryPtr matrix = ternary_from_weight({}, weight);
  const Tensor dense = ternary_dense(*matrix, DType::kFloat32), codes = ternary_codes(*matrix);
  for (std::int64_t i = 0; i < dense.elements(); ++i) {
    const float ratio = std::nearbyint(weight.data<float>()[i] / matrix->beta);
    const float value = std::fmax(-1.0f, std::fmin(1.0f, ratio));
    ASSERT_EQ(dense.data<float>()[i], value * matrix->beta);
    ASSERT_EQ(codes.data<std::uint8_t>()[i], value + 1);
  }
  expect_same(*ternary_from_codes(codes, matrix->beta, "here"), *matrix);
  // The scale cannot be worked out again: the mean of |beta T| counts the zeros.
  EXPECT_LT(ternary_from_weight({}, dense)->beta, 0.8f * matrix->beta);
  // bfloat16 weights quantise as what they hold.
  const Tensor narrow = weight.to(DType::kBFloat16);
  expect_same(*ternary_from_weight({}, narrow),
              *ternary_from_weight({}, narrow.to(DType::kFloat32)));
}

TEST(TernaryFormat, FileFormComesBack) {
  for (const auto& [rows, columns] : {std::pair{1, 1}, {7, 255}, {9, 321}, {24, 2560}}) {
    const TernaryPtr matrix = random_matrix(rows, columns);
    const Tensor bytes = encode_ternary(*matrix);
    expect_same(*decode_ternary(bytes, "here"), *matrix);
    EXPECT_TRUE(bitwise_equal(encode_ternary(*decode_ternary(bytes, "here")), bytes));
  }
  EXPECT_LE(encode_ternary(*random_matrix(256, 2560)).bytes(), 256 * 2560 / 5 + 64);
}

template <class Damage>
std::string refusal(Damage damage) {
  const Tensor bytes = damage(encode_ternary(*random_matrix(9, 321)));
  try {
    decode_ternary(bytes, "model.safetensors: w");
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), 2);
    EXPECT_NE(std::string(error.what()).find("model.safetensors: w"), std::string::npos);
    return error.what();
  }
  return "taken";
}

auto flip(std::int64_t at) {
  return [at](const Tensor& bytes) {
    bytes.data<std::uint8_t>()[at] ^= 0x40;
    return bytes;
  };
}

TEST(TernaryFormat, DamageIsTheUsersError) {
  EXPECT_NE(refusal([](const Tensor& b) { return b.slice(0, 0, 40); }).find("short"),
            std::string::npos);
  EXPECT_NE(refusal([](const Tensor& b) { return b.slice(0, 0, 400); }).find("expected"),
            std::string::npos);
  EXPECT_NE(refusal(flip(0)).find("begin"), std::string::npos);
  for (std::int64_t at = 8; at < 48; ++at) EXPECT_NE(refusal(flip(at)), "taken") << at;
  for (std::int64_t at = 64; at < 1500; at += 97) {
    EXPECT_NE(refusal(flip(at)).find("checksum"), std::string::npos) << at;
  }
}

// The example of the format's documentation: byte 0b10100001 in row 0 of 2 holds rows 0, 2, 4, 6.
TEST(TernaryFormat, HuggingFaceLayout) {
  const Tensor packed = Tensor::empty(DType::kUInt8, {2, 1});
  packed.data<std::uint8_t>()[0] = 0b10100001;
  packed.data<std::uint8_t>()[1] = 0b01010101;
  const TernaryPtr matrix = ternary_from_hf(packed, 8, 0.5f, "here");
  const Tensor dense = ternary_dense(*matrix, DType::kFloat32);
  const float expected[] = {0, 0, -0.5f, 0, 0.5f, 0, 0.5f, 0};
  for (int i = 0; i < 8; ++i) EXPECT_EQ(dense.data<float>()[i], expected[i]) << i;
  EXPECT_TRUE(bitwise_equal(ternary_to_hf(*matrix), packed));

  for (const std::int64_t rows : {1, 3, 4, 6, 8, 640}) {
    const TernaryPtr some = random_matrix(rows, 37);
    expect_same(*ternary_from_hf(ternary_to_hf(*some), rows, some->beta, "here"), *some);
  }
  packed.data<std::uint8_t>()[1] = 0b01110101;
  EXPECT_THROW(ternary_from_hf(packed, 8, 0.5f, "here"), Error);  // code 3
  EXPECT_THROW(ternary_from_hf(packed, 9, 0.5f, "here"), Error);  // wrong shape
}

}  // namespace
}  // namespace peryton
