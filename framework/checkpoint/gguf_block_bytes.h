// Reading the fields of a GGUF block. Offsets are in bytes.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "framework/checkpoint/half.h"

namespace peryton::gguf_block {

inline float half_at(const std::byte* block, int offset) {
  Half value;
  std::memcpy(&value.bits, block + offset, 2);
  return value;
}

inline int byte_at(const std::byte* block, int offset) { return static_cast<int>(block[offset]); }
inline int signed_at(const std::byte* block, int offset) {
  return static_cast<std::int8_t>(byte_at(block, offset));
}

inline std::uint32_t word_at(const std::byte* block, int offset) {
  std::uint32_t word;
  std::memcpy(&word, block + offset, 4);
  return word;
}

}  // namespace peryton::gguf_block
