// Causal depthwise convolution with fused SiLU; see kernels/causal_conv1d/causal_conv1d.h for the
// formula.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "framework/autograd/tape.h"

namespace peryton {

struct CausalConv1dOptions {
  Tensor document_start = {};  // int32 [B, T] of TokenBatch; undefined: one document per row
  // Generation: the W-1 inputs before this call, [B, W-1, C] in the compute dtype, oldest first;
  // replaced by the last W-1 inputs of this call. Undefined: zeros, nothing is kept. Takes no
  // gradient.
  Tensor halo = {};
  bool silu = true;
};

// input [B, T, C], rows may be strided; weight [C, 1, W]; bias [C] or undefined. Result [B, T, C],
// contiguous. Sums are in float (double for double). Saves the input (a view) and the weight;
// computes no gradient for a frozen weight or bias.
Variable causal_conv1d(Tape& tape, const Variable& input, const Variable& weight,
                       const Variable& bias, const CausalConv1dOptions& options);

}  // namespace peryton
