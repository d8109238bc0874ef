// Ternary matrices in files: five codes per byte, 1.6 bits per weight.
//
//   v = sum_{i=0..4} code_i 3^(4-i) in 0..242;   byte = ceil(256 v / 243)
//   decoding, five times: digit = (3 byte) >> 8;  byte = (3 byte) & 255
//
// tile = 8 rows x 320 columns, 64 bytes a row; digit i of byte j is the code of column 64 i + j;
// order [row tile][column tile][8 rows][64 bytes]; padding has code 1.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "kernels/ternary_pack/ternary_pack.h"

namespace peryton::kernels {

inline constexpr std::int64_t kBase3TileColumns = 320;

constexpr std::int64_t base3_bytes(const TernaryShape& shape) {
  return shape.row_tiles() * divide_up(shape.columns, kBase3TileColumns) * kTernaryTileBytes;
}

constexpr std::uint8_t base3_encode(const std::uint8_t (&codes)[5]) {
  int v = 0;
  for (const std::uint8_t code : codes) v = 3 * v + code;
  return static_cast<std::uint8_t>((256 * v + 242) / 243);
}

constexpr void base3_decode(std::uint8_t byte, std::uint8_t (&codes)[5]) {
  for (std::uint8_t& code : codes) {
    const int tripled = 3 * byte;
    code = static_cast<std::uint8_t>(tripled >> 8);
    byte = static_cast<std::uint8_t>(tripled);
  }
}

namespace cpu {

// Between T8x256 and base 3; both sides are whole, padding included.
void base3_from_packed(std::uint8_t* base3, const std::uint8_t* packed, const TernaryShape& shape);
// Every byte must be one that base3_encode makes; otherwise returns its index and leaves `packed`
// undefined. -1: done.
std::int64_t packed_from_base3(std::uint8_t* packed, const std::uint8_t* base3,
                               const TernaryShape& shape);

}  // namespace cpu
}  // namespace peryton::kernels
