// Block formats of less than four bits, and those with a table of values.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cstdint>

#include "framework/checkpoint/gguf_block_bytes.h"
#include "framework/checkpoint/gguf_blocks.h"

namespace peryton {

using namespace gguf_block;  // NOLINT: the fields of a block

namespace {

// Values of the four bits of the IQ4 types: closer together near zero.
constexpr std::array<float, 16> kUneven = {-127, -104, -83, -65, -49, -35, -22, -10,
                                           1,    13,   25,  38,  53,  69,  89,  113};

// Element i of 256 from 64 bytes of two bits: each half of 128 elements has 32 bytes, of which its
// four rows of 32 take two bits each, low ones first.
int two_bits(const std::byte* quants, int i) {
  return byte_at(quants, i / 128 * 32 + i % 32) >> (i / 32 % 4 * 2) & 3;
}

// 32 elements of 16 bytes, low four bits first.
void decode_uneven(const std::byte* quants, float d, float* elements) {
  for (int i = 0; i < 16; ++i) {
    const int byte = byte_at(quants, i);
    elements[i] = d * kUneven[static_cast<std::size_t>(byte & 15)];
    elements[i + 16] = d * kUneven[static_cast<std::size_t>(byte >> 4)];
  }
}

// Trits of `bytes` bytes, `digits` of each: all first digits, then all second ones. A byte holds
// the fraction v / 3^5 of 256, rounded up, so a digit is the carry of a multiplication by three.
void decode_trits(const std::byte* quants, int bytes, int digits, float d, float* elements) {
  for (int i = 0; i < bytes; ++i) {
    unsigned fraction = static_cast<unsigned>(quants[i]);
    for (int digit = 0; digit < digits; ++digit) {
      const unsigned product = 3 * fraction;
      elements[digit * bytes + i] = d * static_cast<float>(static_cast<int>(product >> 8) - 1);
      fraction = product & 255;
    }
  }
}

}  // namespace

void decode_q2_k(const std::byte* block, float* elements) {
  const float scale = half_at(block, 80), minimum = half_at(block, 82);
  for (int i = 0; i < 256; ++i) {
    const int group = byte_at(block, i / 16);
    const float d = scale * static_cast<float>(group & 15);
    const float m = minimum * static_cast<float>(group >> 4);
    elements[i] = d * static_cast<float>(two_bits(block + 16, i)) - m;
  }
}

// The scales: low four bits of groups 0-7 and, on top of them, of 8-15; then upper two bits, those
// of groups 0-3 lowest. A third bit that is not set lowers the value by four.
void decode_q3_k(const std::byte* block, float* elements) {
  const std::byte* scales = block + 96;
  const float scale = half_at(block, 108);
  for (int i = 0; i < 256; ++i) {
    const int group = i / 16;
    const int low = byte_at(scales, group % 8) >> (group / 8 * 4) & 15;
    const int high = byte_at(scales, 8 + group % 4) >> (group / 4 * 2) & 3;
    const float d = scale * static_cast<float>((low | high << 4) - 32);
    const bool third = (byte_at(block, i % 32) >> (i / 32) & 1) != 0;
    elements[i] = d * static_cast<float>(two_bits(block + 32, i) - (third ? 0 : 4));
  }
}

void decode_iq4_nl(const std::byte* block, float* elements) {
  decode_uneven(block + 2, half_at(block, 0), elements);
}

// Scales of eight groups: upper two bits in a word of 16, then low four bits, two to a byte.
void decode_iq4_xs(const std::byte* block, float* elements) {
  const float scale = half_at(block, 0);
  const int upper = byte_at(block, 2) | byte_at(block, 3) << 8;
  for (int group = 0; group < 8; ++group) {
    const int low = byte_at(block, 4 + group / 2) >> (group % 2 * 4) & 15;
    const int six = low | (upper >> (2 * group) & 3) << 4;
    decode_uneven(block + 8 + 16 * group, scale * static_cast<float>(six - 32),
                  elements + 32 * group);
  }
}

void decode_tq1_0(const std::byte* block, float* elements) {
  const float d = half_at(block, 52);
  decode_trits(block, 32, 5, d, elements);
  decode_trits(block + 32, 16, 5, d, elements + 160);
  decode_trits(block + 48, 4, 4, d, elements + 240);
}

void decode_tq2_0(const std::byte* block, float* elements) {
  const float d = half_at(block, 64);
  for (int i = 0; i < 256; ++i) elements[i] = d * static_cast<float>(two_bits(block, i) - 1);
}

// A byte that no five trits give would be read as one that does.
bool valid_tq1_0(const std::byte* block) {
  const auto given = [](std::byte byte, int step) {
    const int v = static_cast<int>(byte) * 243 / 256 / step * step;  // the largest not above it
    return (v * 256 + 242) / 243 == static_cast<int>(byte);
  };
  return std::all_of(block, block + 48, [&](std::byte byte) { return given(byte, 1); }) &&
         std::all_of(block + 48, block + 52, [&](std::byte byte) { return given(byte, 3); });
}

bool valid_tq2_0(const std::byte* block) {
  return std::all_of(block, block + 64, [](std::byte byte) {
    const int value = static_cast<int>(byte);
    return (value & value >> 1 & 0x55) == 0;
  });
}

}  // namespace peryton
