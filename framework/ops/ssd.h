// The selective state space scan of Mamba-2; see kernels/ssd/ssd.h for the formula.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <limits>

#include "framework/autograd/tape.h"

namespace peryton {

struct SsdOptions {
  std::int64_t heads = 0, head_dim = 0, state = 0, groups = 1;
  std::int64_t chunk = 64;
  double dt_min = 0, dt_max = std::numeric_limits<double>::infinity();
  Tensor document_start = {};  // int32 [B, T] of TokenBatch; undefined: one document per row
  // Generation: the state before this call, [B, heads, state, head_dim] in the compute dtype;
  // replaced by the state after it. Undefined: zeros, nothing is kept. Takes no gradient.
  Tensor carried = {};
};

// xbc [B, T, heads*head_dim + 2*groups*state]: x, B and C side by side; dt [B, T, heads] before
// bias and softplus; a_log, dt_bias, d [heads]. Result [B, T, heads*head_dim] in xbc's dtype.
// Arithmetic is in float (double for double). Saves xbc, dt and, per chunk, one state of each head;
// computes no gradient for a frozen weight.
Variable ssd(Tape& tape, const Variable& xbc, const Variable& dt, const Variable& a_log,
             const Variable& dt_bias, const Variable& d, const SsdOptions& options);

}  // namespace peryton
