// Random values for kernels, and how near a result must come.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "framework/core/rng.h"
#include "kernels/common/dtype.h"

namespace peryton::kernels::test {

// Of floats, whatever holds them.
template <class T>
std::vector<T> normals(std::int64_t count, std::uint64_t seed, double scale = 1) {
  const Rng rng(seed, RandomPurpose::kTest);
  std::vector<T> values(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) {
    values[i] = static_cast<T>(static_cast<float>(scale * rng.normal(i)));
  }
  return values;
}

template <class T>
std::vector<double> widen(const std::vector<T>& values) {
  std::vector<double> wide;
  for (const T& value : values) wide.push_back(static_cast<compute_t<T>>(value));
  return wide;
}

template <class A, class B>
void expect_near(const std::vector<A>& got, const std::vector<B>& want, double absolute,
                 double relative, const char* what) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double a = static_cast<compute_t<A>>(got[i]), b = static_cast<compute_t<B>>(want[i]);
    ASSERT_NEAR(a, b, absolute + relative * std::abs(b)) << what << " element " << i;
  }
}

// Half a unit in the last place of the storage type.
template <class T>
constexpr double kRounding = 6e-8;
template <>
constexpr double kRounding<BFloat16> = 1.0 / 256;

inline constexpr std::int64_t kWidths[] = {1, 3, 8, 17, 64, 100, 257};

}  // namespace peryton::kernels::test
