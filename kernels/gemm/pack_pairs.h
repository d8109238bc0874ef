// Copies blocks of a matrix into panels of bfloat16 pairs (pair_kernels.h), rounding float.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "kernels/common/dtype.h"
#include "kernels/gemm/packing.h"

namespace peryton::kernels::cpu {

// All lines, panel after panel; `width` at most kLargestPanel.columns, a multiple of four.
void pack_pairs(const PanelSource<float>& source, std::int64_t lines, std::int64_t k,
                std::int64_t width, std::uint16_t* to);
void pack_pairs(const PanelSource<BFloat16>& source, std::int64_t lines, std::int64_t k,
                std::int64_t width, std::uint16_t* to);

}  // namespace peryton::kernels::cpu
