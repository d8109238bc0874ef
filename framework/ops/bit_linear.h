// BitLinear: RMS normalisation, 8-bit rows, ternary weights, one integer product (BitNet b1.58;
// Zhu et al. 2024). Formulas in kernels/bit_quantise, kernels/ternary_pack and
// kernels/ternary_gemm:
//
//   z = g * x / rms(x);  q d ~ z in 8 bits;  W ~ beta T;  y = (float(T q) d) beta
//
// Backward is straight through both quantisers, their clips and scales:
//
//   dz = beta T' dy;  dW = sum over rows of dy (q d)';  dg = sum dz * x r;
//   dx = RMS normalisation's, from g * dz
//
// Saves x, r and the packed T; never W~. Rows are quantised again in the backward pass.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "framework/autograd/tape.h"
#include "framework/ops/ternary_matrix.h"
#include "kernels/bit_quantise/bit_quantise.h"

namespace peryton {

using kernels::RoundHalf;

struct BitLinearOptions {
  bool norm = true;   // false: x is quantised as it is, and there is no gain (BitNet)
  double eps = 1e-6;  // of the norm
  RoundHalf rounding = RoundHalf::kEven;  // of the activations; the fused published code: kAway
  // False: both quantisers are the identity, y = W z in x's dtype. For gradient checks: with it the
  // op is differentiable, and the formulas of the backward pass are the same.
  bool quantise = true;
};

// One layer; weight.value() is not read while `ternary` is there.
struct BitLinearTerm {
  Variable weight;     // [out, in]
  Variable gain;       // [in]; undefined: ones
  TernaryPtr ternary;  // of the weight's present value; null exactly without `quantise`
};

// x [.., in] (rows may be strided) -> [.., out] in x's dtype: float32 or bfloat16; float64 is
// computed in float32 while quantised. Gradients of weight and gain only where needed.
Variable bit_linear(Tape& tape, const Variable& x, const BitLinearTerm& layer,
                    const BitLinearOptions& options);

// Several layers that read the same x, side by side: [.., sum of their outs] (cut it with
// slice_last). The backward pass runs one normalisation for all of them.
Variable bit_linears(Tape& tape, const Variable& x, const std::vector<BitLinearTerm>& layers,
                     const BitLinearOptions& options);

}  // namespace peryton
