// Rows as bfloat16, two depths side by side as they lie: the left factor of products of pairs
// (pair_kernels.h), which needs no turning into panels.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace peryton::kernels::cpu {

// k elements of each row, rounded to nearest even (NaN stays NaN); an odd k is filled up with a
// zero. Strides are in elements; what is written are the bits of BFloat16.
void round_rows(const float* from, std::int64_t from_stride, std::int64_t rows, std::int64_t k,
                std::uint16_t* to, std::int64_t to_stride);

}  // namespace peryton::kernels::cpu
