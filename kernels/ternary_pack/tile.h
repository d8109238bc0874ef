// Sizes of the tile of the packed ternary layout (ternary_pack.h), for files that are compiled for
// another instruction set and so include as little as possible.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace peryton::kernels {

inline constexpr std::int64_t kTernaryTileRows = 8;
inline constexpr std::int64_t kTernaryTileColumns = 256;
inline constexpr std::int64_t kTernaryTileRowBytes = 64;
inline constexpr std::int64_t kTernaryTileBytes = kTernaryTileRows * kTernaryTileRowBytes;

}  // namespace peryton::kernels
