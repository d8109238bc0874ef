// SPDX-License-Identifier: Apache-2.0
#include "framework/core/tensor.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace peryton {
namespace {

Tensor counting(const Shape& shape) {
  std::vector<float> values(static_cast<std::size_t>(shape.elements()));
  std::iota(values.begin(), values.end(), 0.0f);
  return Tensor::from_values<float>(shape, values);
}

TEST(Tensor, ColumnSliceIsAView) {
  const Tensor fused = counting({2, 3, 10});
  const Tensor part = fused.slice(-1, 4, 8);
  EXPECT_FALSE(part.contiguous());
  EXPECT_EQ(part.rows().size(0), 6);
  EXPECT_EQ(part.rows().data<float>()[part.rows().stride(0)], 14.0f);
  part.fill(-1);
  EXPECT_EQ(fused.values<float>()[5], -1.0f);
  EXPECT_EQ(fused.values<float>()[3], 3.0f);
}

TEST(Tensor, SplitLastOfAStridedTensor) {
  const Tensor heads = counting({2, 12}).slice(-1, 0, 8).split_last({2, 4});
  EXPECT_EQ(heads.shape(), (Shape{2, 2, 4}));
  EXPECT_EQ(heads.contiguous_copy().values<float>()[12], 16.0f);
}

TEST(Tensor, BFloat16RoundsToNearestEven) {
  EXPECT_EQ(static_cast<float>(BFloat16(1.00390625f)), 1.0f);       // a tie goes to even
  EXPECT_EQ(static_cast<float>(BFloat16(1.01171875f)), 1.015625f);  // the other tie
  const Tensor converted = counting({3}).to(DType::kBFloat16).to(DType::kFloat64);
  EXPECT_EQ(converted.values<double>()[2], 2.0);
}

TEST(Tensor, WrongUseIsReported) {
  EXPECT_THROW(counting({2, 3}).data<double>(), Error);
  EXPECT_THROW(counting({2, 3}).slice(1, 2, 4), Error);
  EXPECT_THROW(counting({2, 3}).slice(1, 0, 2).reshape({4}), Error);
}

TEST(Tensor, MemoryIsCounted) {
  const std::int64_t before = memory_use().live_bytes;
  {
    const Tensor tensor = Tensor::zeros(DType::kFloat32, {1000});
    EXPECT_EQ(memory_use().live_bytes - before, 4000);
  }
  EXPECT_EQ(memory_use().live_bytes, before);
}

}  // namespace
}  // namespace peryton
