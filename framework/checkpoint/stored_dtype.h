// Element types as files hold them: more than a Tensor can have. Loading converts.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "framework/core/tensor.h"

namespace peryton {

enum class StoredDType : std::uint8_t {
  kF64,
  kF32,
  kF16,
  kBF16,
  kF8E4M3,
  kF8E5M2,
  kI64,
  kI32,
  kI16,
  kI8,
  kU64,
  kU32,
  kU16,
  kU8,
  kBool
};

// safetensors spelling: "F32", "BF16", "BOOL", ...
std::string_view name_of(StoredDType dtype);
std::optional<StoredDType> stored_dtype_from_name(std::string_view name);
std::int64_t size_of(StoredDType dtype);
bool is_float(StoredDType dtype);
StoredDType stored_dtype_of(DType dtype);

// What a tensor is before it is loaded. Sizes in elements.
struct StoredTensor {
  StoredDType dtype = StoredDType::kF32;
  std::vector<std::int64_t> shape;
  std::int64_t elements() const;
  std::int64_t bytes() const { return elements() * size_of(dtype); }
};

std::string shape_text(std::span<const std::int64_t> shape);  // "[2, 3]"

// A fresh tensor from dense row-major little-endian bytes (any alignment). Without `as`: F16
// becomes float32, I64 int32 (checked for range), BOOL uint8, and F32, BF16, F64, I32, U8 stay.
// With `as`: any of F64, F32, F16, BF16 to any floating dtype, any integer to int32.
// Everything else, and more than Shape::kMaxRank dimensions, is the user's error at `where`.
Tensor tensor_from_stored(const StoredTensor& info, std::span<const std::byte> bytes,
                          std::optional<DType> as, const std::string& where);

}  // namespace peryton
