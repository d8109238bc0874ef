// SPDX-License-Identifier: Apache-2.0
#include "kernels/ternary_pack/base3.h"

#include <cstring>

namespace peryton::kernels::cpu {
namespace {

// Calls f(byte index, row, first column) for every byte of the base-3 layout; its digits are the
// columns first, first + 64, ..
template <class F>
void for_each_byte(const TernaryShape& shape, F&& f) {
  const std::int64_t tiles = divide_up(shape.columns, kBase3TileColumns);
  std::int64_t index = 0;
  for (std::int64_t row_tile = 0; row_tile < shape.row_tiles(); ++row_tile) {
    for (std::int64_t tile = 0; tile < tiles; ++tile) {
      for (std::int64_t row = 0; row < kTernaryTileRows; ++row) {
        for (std::int64_t j = 0; j < kTernaryTileRowBytes; ++j) {
          f(index++, row_tile * kTernaryTileRows + row, tile * kBase3TileColumns + j);
        }
      }
    }
  }
}

}  // namespace

void base3_from_packed(std::uint8_t* base3, const std::uint8_t* packed, const TernaryShape& shape) {
  for_each_byte(shape, [&](std::int64_t index, std::int64_t row, std::int64_t column) {
    std::uint8_t codes[5] = {1, 1, 1, 1, 1};
    for (std::uint8_t& code : codes) {
      if (column < shape.columns) {
        code = packed[shape.byte_of(row, column)] >> TernaryShape::shift_of(column) & 3;
      }
      column += 64;
    }
    base3[index] = base3_encode(codes);
  });
}

std::int64_t packed_from_base3(std::uint8_t* packed, const std::uint8_t* base3,
                               const TernaryShape& shape) {
  std::memset(packed, kTernaryPadding, static_cast<std::size_t>(shape.bytes()));
  std::int64_t bad = -1;
  for_each_byte(shape, [&](std::int64_t index, std::int64_t row, std::int64_t column) {
    std::uint8_t codes[5];
    base3_decode(base3[index], codes);
    bool valid = base3_encode(codes) == base3[index];
    for (const std::uint8_t code : codes) {
      if (row < shape.rows && column < shape.columns) {
        std::uint8_t& byte = packed[shape.byte_of(row, column)];
        const int shift = TernaryShape::shift_of(column);
        byte = static_cast<std::uint8_t>((byte & ~(3 << shift)) | code << shift);
      } else {
        valid = valid && code == 1;
      }
      column += 64;
    }
    if (!valid && bad < 0) bad = index;
  });
  return bad;
}

}  // namespace peryton::kernels::cpu
