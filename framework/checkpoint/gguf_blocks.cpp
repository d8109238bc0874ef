// SPDX-License-Identifier: Apache-2.0
#include "framework/checkpoint/gguf_blocks.h"

#include <cstdint>

#include "framework/checkpoint/gguf_block_bytes.h"

namespace peryton {

using namespace gguf_block;  // NOLINT: the fields of a block

namespace {

// value(q) for the 32 integers of four bits at `offset`; `high` holds their fifth bits.
template <class Value>
void decode_nibbles(const std::byte* block, int offset, std::uint32_t high, float* elements,
                    const Value& value) {
  for (int i = 0; i < 16; ++i) {
    const int byte = byte_at(block, offset + i);
    const int low_fifth = static_cast<int>(high >> i & 1) << 4;
    const int high_fifth = static_cast<int>(high >> (i + 16) & 1) << 4;
    elements[i] = value((byte & 15) | low_fifth);
    elements[i + 16] = value((byte >> 4) | high_fifth);
  }
}

struct GroupScale {
  int scale, minimum;
};

// Group g of the 12 bytes that hold 8 scales and 8 minima of six bits: the first four of each lie
// in the low six bits of bytes 0-3 and 4-7, the low halves of the others in bytes 8-11 and their
// upper two bits on top of bytes 0-7.
GroupScale group_scale(const std::byte* scales, int g) {
  if (g < 4) return {byte_at(scales, g) & 63, byte_at(scales, g + 4) & 63};
  const int low = byte_at(scales, g + 4);
  return {(low & 15) | byte_at(scales, g - 4) >> 6 << 4, low >> 4 | byte_at(scales, g) >> 6 << 4};
}

// Q4_K and Q5_K: groups come in pairs that share 32 bytes, low halves first; the fifth bit of group
// g is bit g of the byte of its element in `high` (null: there is none).
void decode_k(const std::byte* block, const std::byte* quants, const std::byte* high,
              float* elements) {
  const float scale = half_at(block, 0), minimum = half_at(block, 2);
  for (int g = 0; g < 8; ++g) {
    const GroupScale group = group_scale(block + 4, g);
    const float d = scale * static_cast<float>(group.scale);
    const float m = minimum * static_cast<float>(group.minimum);
    for (int i = 0; i < 32; ++i) {
      const int byte = byte_at(quants, g / 2 * 32 + i);
      int q = g % 2 == 0 ? byte & 15 : byte >> 4;
      if (high != nullptr) q |= (byte_at(high, i) >> g & 1) << 4;
      elements[g * 32 + i] = d * static_cast<float>(q) - m;
    }
  }
}

}  // namespace

void decode_q4_0(const std::byte* block, float* elements) {
  const float d = half_at(block, 0);
  decode_nibbles(block, 2, 0, elements, [&](int q) { return d * static_cast<float>(q - 8); });
}

void decode_q4_1(const std::byte* block, float* elements) {
  const float d = half_at(block, 0), m = half_at(block, 2);
  decode_nibbles(block, 4, 0, elements, [&](int q) { return d * static_cast<float>(q) + m; });
}

void decode_q5_0(const std::byte* block, float* elements) {
  const float d = half_at(block, 0);
  decode_nibbles(block, 6, word_at(block, 2), elements,
                 [&](int q) { return d * static_cast<float>(q - 16); });
}

void decode_q5_1(const std::byte* block, float* elements) {
  const float d = half_at(block, 0), m = half_at(block, 2);
  decode_nibbles(block, 8, word_at(block, 4), elements,
                 [&](int q) { return d * static_cast<float>(q) + m; });
}

void decode_q8_0(const std::byte* block, float* elements) {
  const float d = half_at(block, 0);
  for (int i = 0; i < 32; ++i) elements[i] = d * static_cast<float>(signed_at(block, 2 + i));
}

void decode_q4_k(const std::byte* block, float* elements) {
  decode_k(block, block + 16, nullptr, elements);
}

void decode_q5_k(const std::byte* block, float* elements) {
  decode_k(block, block + 48, block + 16, elements);
}

// Two halves of 128 elements: 64 bytes of low four bits, 32 of upper two bits, 8 scales each. A
// half has four rows of 32 elements: rows 0 and 2 share the first 32 bytes, 1 and 3 the others.
void decode_q6_k(const std::byte* block, float* elements) {
  const float scale = half_at(block, 208);
  for (int half = 0; half < 2; ++half) {
    for (int row = 0; row < 4; ++row) {
      for (int i = 0; i < 32; ++i) {
        const int byte = byte_at(block, half * 64 + row % 2 * 32 + i);
        const int low = row < 2 ? byte & 15 : byte >> 4;
        const int upper = byte_at(block, 128 + half * 32 + i) >> (2 * row) & 3;
        const int group = half * 8 + row * 2 + i / 16;
        const float d = scale * static_cast<float>(signed_at(block, 192 + group));
        elements[half * 128 + row * 32 + i] = d * static_cast<float>((low | upper << 4) - 32);
      }
    }
  }
}

}  // namespace peryton
