// A BitLinear head for losses that multiply hidden states and head chunk by chunk (head_loss.h):
// the two factors of its logits instead of the logits.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "framework/ops/bit_linear.h"
#include "framework/ops/head_loss.h"

namespace peryton {

// hidden: the 8-bit rows of x, dequantised, [.., in]; weight: beta T, [out, in]; both in the
// compute dtype of x. Gradients are those of bit_linear: straight through to x, gain and weight.
// Without options.quantise: the normalised rows and the weight itself. Saves x and the row scales.
HeadTerm bit_head(Tape& tape, const Variable& x, const BitLinearTerm& layer,
                  const BitLinearOptions& options);

// The linear map that such a head is on rows of RMS one, but for the rounding of the rows: beta T
// (or the weight, without `ternary`) times the gain of each column. float32 [out, in].
Tensor bit_head_matrix(const TernaryPtr& ternary, const Tensor& weight, const Tensor& gain);

}  // namespace peryton
