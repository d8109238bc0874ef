// SPDX-License-Identifier: Apache-2.0
#include "framework/core/rng.h"

#include <gtest/gtest.h>

#include <cmath>

namespace peryton {
namespace {

// Known answers published with the Random123 library.
TEST(Rng, PhiloxKnownAnswers) {
  const auto zero = philox4x32({0, 0, 0, 0}, {0, 0});
  EXPECT_EQ(zero,
            (std::array<std::uint32_t, 4>{0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u}));
  const std::uint32_t f = 0xffffffffu;
  const auto ones = philox4x32({f, f, f, f}, {f, f});
  EXPECT_EQ(ones,
            (std::array<std::uint32_t, 4>{0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu}));
  const auto pi =
      philox4x32({0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u}, {0xa4093822u, 0x299f31d0u});
  EXPECT_EQ(pi, (std::array<std::uint32_t, 4>{0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u}));
}

TEST(Rng, MomentsOfUniformAndNormal) {
  const Rng rng(1, RandomPurpose::kTest);
  const int count = 200000;
  double mean = 0, normal_mean = 0, normal_square = 0;
  for (int i = 0; i < count; ++i) {
    mean += rng.uniform(i) / count;
    const double z = rng.normal(i);
    normal_mean += z / count;
    normal_square += z * z / count;
  }
  EXPECT_NEAR(mean, 0.5, 5 * std::sqrt(1.0 / 12 / count));
  EXPECT_NEAR(normal_mean, 0, 5 / std::sqrt(count));
  EXPECT_NEAR(normal_square, 1, 5 * std::sqrt(2.0 / count));
}

TEST(Rng, PurposesAndStreamsDiffer) {
  EXPECT_NE(Rng(1, RandomPurpose::kTest).bits(0), Rng(1, RandomPurpose::kGumbel).bits(0));
  EXPECT_NE(Rng(1, RandomPurpose::kTest, 1).bits(0), Rng(1, RandomPurpose::kTest, 2).bits(0));
  EXPECT_NE(Rng(1, RandomPurpose::kTest).bits(0), Rng(2, RandomPurpose::kTest).bits(0));
}

}  // namespace
}  // namespace peryton
