// The token mixer of MatMul-free language models: the recurrence of kernels/mlgru/mlgru.h, its
// lower bounds, and its output gate.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>

#include "framework/autograd/tape.h"

namespace peryton {

struct MlgruOptions {
  Tensor document_start = {};  // int32 [B, T] of TokenBatch; undefined: one document per row
  // Generation: the state before this call, [B, d] in the compute dtype; replaced by the state
  // after it. Takes no gradient.
  Tensor carried = {};
  std::int64_t chunk = 0;  // tokens of one task; 0: chosen by the shape (a whole row, usually)
};

// u, v [B, T, d], the same dtype, tokens may be strided; bound [d] or undefined (0); initial [B, d]
// or undefined (zeros). Result: the states h [B, T, d] in u's dtype, of which the last token's is
// the final state. Gates and states are computed in float (double for double). Saves u, v, h, bound
// and initial. A row that is one chain (the default up to 2048 tokens) gives the same bits however
// it is cut into calls.
Variable mlgru(Tape& tape, const Variable& u, const Variable& v, const Variable& bound = {},
               const Variable& initial = {}, const MlgruOptions& options = {});

// Lower bound of the forget gates of layer l: sum over 1 <= j <= l of P_j, with P the softmax of
// logits [L, d] over the layers. Result [d] in the compute dtype. Saves P.
Variable mlgru_lower_bound(Tape& tape, const Variable& logits, std::int64_t layer);

// How the projection p of the input and the state h make the output, with n the RMS norm and its
// gain. Published checkpoints were trained with kNormProjection.
enum class MlgruGate {
  kNormProjection,  // n(p) silu(h): the released code of the paper
  kNormState,       // n(h) silu(p): flash-linear-attention since September 2024
  kNormProduct,     // n(h s(p)): the paper's figure
};
// "mmfreelm", "fla", "paper".
std::optional<MlgruGate> mlgru_gate_named(std::string_view name);
std::string_view name_of(MlgruGate gate);

// h, p [.., d], gain [d] -> [.., d] in h's dtype.
Variable mlgru_gate(Tape& tape, MlgruGate gate, const Variable& h, const Variable& p,
                    const Variable& gain, double eps);

}  // namespace peryton
