// Gates: how projected and raw hidden states mix around a segment, as coefficients of alpha.
//
//   input:  u_k = (1 - g_k) P_in h + g_k cut(h)
//   output: h  <- sum_k a_k (1 - o_k) P_out v_k + a_k o_k pad(v_k)
// manticore:   g_k = o_k = a_k
// transition:  g_k = a_prev,k a_k (first segment a_k), o_k = a_k a_next,k (last segment a_k): a
// one-hot alpha that
//              switches component between segments uses the projectors, one that stays leaves them
//              out.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "framework/autograd/tape.h"

namespace peryton {

enum class Gate { kManticore, kTransition };

// alpha of a segment and of its neighbours, [K] each; neighbours are undefined at the ends.
struct SegmentAlpha {
  Variable previous, here, next;
};
SegmentAlpha alpha_of_segment(const std::vector<Variable>& alpha, std::int64_t segment);

double entry(const Variable& vector, std::int64_t k);

// Whether component k takes part under this alpha: not if its weight is exactly 0 and stays so.
bool takes_part(const Variable& alpha, std::int64_t k);

// [2]: the coefficients of P_in h and of cut(h) for component k.
Variable input_coefficients(Tape& tape, Gate gate, const SegmentAlpha& alpha, std::int64_t k);

// [2K]: for each component the coefficients of P_out v_k and of pad(v_k).
Variable output_coefficients(Tape& tape, Gate gate, const SegmentAlpha& alpha);

// Whether the hidden states of a component pass its projector, under these coefficients.
bool projects_input(const Variable& coefficients);
bool projects_output(const Variable& coefficients, std::int64_t k);

}  // namespace peryton
