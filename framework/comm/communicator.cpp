// SPDX-License-Identifier: Apache-2.0
#include "framework/comm/communicator.h"

namespace peryton {

std::int64_t size_of(CommType type) {
  switch (type) {
    case CommType::kFloat32:
      return 4;
    case CommType::kFloat64:
      return 8;
    case CommType::kBFloat16:
      return 2;
    case CommType::kInt32:
      return 4;
    case CommType::kInt64:
      return 8;
    case CommType::kUInt8:
      return 1;
  }
  return 0;
}

std::string_view name_of(CommType type) {
  switch (type) {
    case CommType::kFloat32:
      return "float32";
    case CommType::kFloat64:
      return "float64";
    case CommType::kBFloat16:
      return "bfloat16";
    case CommType::kInt32:
      return "int32";
    case CommType::kInt64:
      return "int64";
    case CommType::kUInt8:
      return "uint8";
  }
  return "?";
}

CommType comm_type_of(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
      return CommType::kFloat32;
    case DType::kFloat64:
      return CommType::kFloat64;
    case DType::kBFloat16:
      return CommType::kBFloat16;
    case DType::kInt32:
      return CommType::kInt32;
    case DType::kUInt8:
      return CommType::kUInt8;
  }
  PERYTON_CHECK(false, "ranks cannot exchange {}", name_of(dtype));
  return CommType::kUInt8;
}

CommSpan CommSpan::of(const Tensor& tensor) {
  PERYTON_CHECK(tensor.defined() && tensor.contiguous(),
                "ranks exchange contiguous tensors, got {}", tensor.shape().text());
  return {tensor.raw(), tensor.elements(), comm_type_of(tensor.dtype())};
}

}  // namespace peryton
