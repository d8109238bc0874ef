// Packs lines that are contiguous each (packing.h), by turning squares of four in registers.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace peryton::kernels::cpu {

// `width` lines, a multiple of four, `stride` apart, into one panel: panel[p * width + i] is
// element p < k of line i.
void pack_long_float_lines(const float* lines, std::int64_t stride, std::int64_t width,
                           std::int64_t k, float* panel);

}  // namespace peryton::kernels::cpu
