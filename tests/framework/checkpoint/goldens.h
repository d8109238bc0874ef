// Comparison of a tensor file with the values that the reference library printed.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include "framework/checkpoint/json_text.h"
#include "framework/checkpoint/tensor_file.h"
#include "tests/framework/checkpoint/support.h"

namespace peryton::testing_support {

inline double element(const Tensor& tensor, std::int64_t index) {
  switch (tensor.dtype()) {
    case DType::kFloat32:
      return tensor.data<float>()[index];
    case DType::kBFloat16:
      return static_cast<float>(tensor.data<BFloat16>()[index]);
    case DType::kFloat64:
      return tensor.data<double>()[index];
    case DType::kInt32:
      return tensor.data<std::int32_t>()[index];
    case DType::kUInt8:
      return tensor.data<std::uint8_t>()[index];
  }
  return 0;
}

// Every name, shape and value, exactly: the formats widen without loss.
inline void expect_equals_golden(const TensorFile& file, const std::string& json_name) {
  const nlohmann::json expected = read_json_file(golden(json_name));
  ASSERT_EQ(file.names().size(), expected.size());
  for (const auto& item : expected.items()) {
    SCOPED_TRACE(item.key());
    const Tensor tensor = file.load(item.key());
    ASSERT_EQ(tensor.shape().vector(), item.value()["shape"].get<std::vector<std::int64_t>>());
    const auto values = item.value()["values"].get<std::vector<double>>();
    ASSERT_EQ(tensor.elements(), static_cast<std::int64_t>(values.size()));
    for (std::size_t i = 0; i < values.size(); ++i) {
      EXPECT_EQ(element(tensor, static_cast<std::int64_t>(i)), values[i]) << i;
    }
  }
}

}  // namespace peryton::testing_support
