// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "kernels/ternary_pack/ternary_pack.h"

namespace peryton::kernels::cpu {

void ternary_pack(std::uint8_t* packed, const std::int8_t* values, const TernaryShape& shape) {
  std::memset(packed, kTernaryPadding, static_cast<std::size_t>(shape.bytes()));
  for (std::int64_t row = 0; row < shape.rows; ++row) {
    for (std::int64_t column = 0; column < shape.columns; ++column) {
      // The padding code is 1, so a value is what it differs by.
      const int code = values[row * shape.columns + column] + 1;
      require(code >= 0 && code <= 2, "ternary_pack", "value ", code - 1, " at row ", row);
      std::uint8_t& byte = packed[shape.byte_of(row, column)];
      const int shift = TernaryShape::shift_of(column);
      byte = static_cast<std::uint8_t>((byte & ~(3 << shift)) | code << shift);
    }
  }
}

void ternary_unpack(std::int8_t* values, const std::uint8_t* packed, const TernaryShape& shape) {
  for (std::int64_t row = 0; row < shape.rows; ++row) {
    for (std::int64_t column = 0; column < shape.columns; ++column) {
      const int code = packed[shape.byte_of(row, column)] >> TernaryShape::shift_of(column) & 3;
      values[row * shape.columns + column] = static_cast<std::int8_t>(code - 1);
    }
  }
}

std::int64_t ternary_first_invalid(const std::uint8_t* packed, const TernaryShape& shape) {
  const std::int64_t whole_columns = shape.columns, whole_rows = shape.rows;
  for (std::int64_t i = 0; i < shape.bytes(); ++i) {
    if ((packed[i] & packed[i] >> 1 & 0x55) != 0) return i;  // a code 3
  }
  for (std::int64_t row = 0; row < shape.row_tiles() * kTernaryTileRows; ++row) {
    const std::int64_t first = row < whole_rows ? whole_columns : 0;
    for (std::int64_t column = first; column < shape.padded_columns(); ++column) {
      const std::int64_t at = shape.byte_of(row, column);
      if ((packed[at] >> TernaryShape::shift_of(column) & 3) != 1) return at;
    }
  }
  return -1;
}

}  // namespace peryton::kernels::cpu
