// Rotary positions on the heads of a fused projection; formula in kernels/rotary/rotary.h.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "framework/autograd/tape.h"
#include "framework/ops/head_layout.h"

namespace peryton {

// cos and sin of every position and frequency, [positions, rotary_width / 2].
struct RotaryTable {
  Tensor cosine, sine;
};

// `dtype` is that of the hidden states; the table is in the dtype that they are computed in.
// rotary_width is even and may be 0.
RotaryTable rotary_table(const kernels::Context& context, DType dtype, std::int64_t positions,
                         std::int64_t rotary_width, double base, double scale = 1);

// The same with a frequency (radians per position) for each of rotary_width / 2 pairs.
RotaryTable rotary_table(const kernels::Context& context, DType dtype, std::int64_t positions,
                         std::span<const double> frequencies);

// past + t - document_start[b, t] as int32 [rows, length]; document_start int32 [rows, length] or
// undefined.
Tensor token_positions(const Tensor& document_start, std::int64_t rows, std::int64_t length,
                       std::int64_t past);

// A copy of `fused` [B, T, columns] whose query and key heads are turned by their positions (int32
// [B, T], all within the table). Saves the table and the positions only.
Variable rotary(Tape& tape, const Variable& fused, const HeadLayout& layout,
                const RotaryTable& table, const Tensor& positions);

}  // namespace peryton
