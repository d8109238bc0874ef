// What one instruction set contributes to the integer product: the driver cuts the work into blocks
// that fit these.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "kernels/ternary_pack/tile.h"

namespace peryton::kernels::ternary {

inline constexpr std::int64_t kBlockRowTiles = 4;
inline constexpr std::int64_t kBlockRows = kBlockRowTiles * kTernaryTileRows;
// 2048 columns: 64 pair sums per 16-bit lane of the AVX2 path, |64 * 2 * 2 * 127| = 32512 < 2^15.
// One more would overflow.
inline constexpr std::int64_t kBlockColumnTiles = 8;
inline constexpr std::int64_t kBlockColumns = kBlockColumnTiles * kTernaryTileColumns;
inline constexpr std::int64_t kBlockTokens = 96;

// Up to kBlockRowTiles row tiles x kBlockColumnTiles column tiles x kBlockTokens tokens. Row tile i
// starts at packed + i * row_tile_bytes.
struct Block {
  const std::uint8_t* packed;
  std::int64_t row_tile_bytes, row_tiles, column_tiles;
  const std::int8_t* q;  // of the first column of the block
  std::int64_t q_stride, tokens;
  std::int32_t* sums;   // [kBlockTokens][kBlockRows]: sum of code * q is added
  std::uint8_t* codes;  // scratch [kBlockRows][kBlockColumns], 64-byte aligned; not used by all
};

// One token against one row tile: sums[r] += sum of code * q over all its columns.
struct Vector {
  const std::uint8_t* packed;
  std::int64_t column_tiles;
  const std::int8_t* q;
  std::int32_t* sums;  // [kTernaryTileRows]
};

struct TableKernels;
struct PermuteKernels;

struct Kernels {
  const char* name;
  // So many tokens go one after the other through `vector`, which unpacks for each of them;
  // `block`, which unpacks for several, is faster for more. Measured.
  std::int64_t vector_tokens;
  void (*block)(const Block&);
  void (*vector)(const Vector&);
  const TableKernels* (*find_tables)();      // table_kernels.h; null where they would not be faster
  const PermuteKernels* (*find_permutes)();  // permute_kernels.h; likewise
};

// Null where the build or the target has none.
const Kernels* portable_kernels();
const Kernels* avx2_kernels();
const Kernels* vnni_kernels();
const Kernels* vnni_permute_kernels();  // the same with permutes for many tokens

}  // namespace peryton::kernels::ternary
