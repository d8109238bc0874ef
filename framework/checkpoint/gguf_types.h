// The element types that a GGUF file's tensors can have. Most store blocks of elements together.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "framework/checkpoint/stored_dtype.h"

namespace peryton {

inline constexpr std::int64_t kGgufLargestBlock = 256;  // elements

struct GgufTensorType {
  std::uint32_t id;             // in the file
  std::string_view name;        // "Q4_1"
  std::int64_t block_elements;  // of one block; 1: the elements stand alone
  std::int64_t block_bytes;
  std::optional<StoredDType> plain;  // where the elements are ordinary numbers
  // From one block to its elements; null: ordinary numbers, or a type that we cannot read.
  void (*decode)(const std::byte* block, float* elements);
  // Whether a block is one that an encoder writes; null: all are.
  bool (*valid)(const std::byte* block) = nullptr;

  bool readable() const { return plain || decode != nullptr; }
};

// Null for an id that no type has.
const GgufTensorType* gguf_tensor_type(std::uint32_t id);

}  // namespace peryton
