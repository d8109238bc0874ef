// The selective state space scan of Mamba; see kernels/selective_scan/selective_scan.h for the
// formula.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "framework/autograd/tape.h"

namespace peryton {

struct SelectiveScanOptions {
  Tensor document_start = {};  // int32 [B, T] of TokenBatch; undefined: one document per row
  // Generation: the state before this call, [B, state, channels] in the compute dtype; replaced by
  // the state after it. Undefined: zeros, nothing is kept. Takes no gradient.
  Tensor carried = {};
};

struct SelectiveScanInputs {
  Variable x;           // [B, T, channels]
  Variable dt;          // [B, T, channels], before bias and softplus
  Variable b, c;        // [B, T, state]
  Variable a_log;       // [channels, state]
  Variable dt_bias, d;  // [channels]
};

// Result [B, T, channels] in x's dtype; x, dt, b and c may have strided rows. Arithmetic is in
// float (double for double). Saves the inputs and, per 32 tokens, the states; computes no gradient
// for a frozen weight. The gate of the block is glu().
Variable selective_scan(Tape& tape, const SelectiveScanInputs& inputs,
                        const SelectiveScanOptions& options);

}  // namespace peryton
