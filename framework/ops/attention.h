// Causal self-attention on the heads of a fused projection; formula in
// kernels/attention/attention.h.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "framework/autograd/tape.h"
#include "framework/ops/head_layout.h"

namespace peryton {

struct AttentionOptions {
  double scale;             // of the scores, usually 1 / sqrt(head width)
  Tensor document_start;    // int32 [B, T]; undefined: one document per row
  std::int64_t window = 0;  // a token sees this many tokens, itself included; 0: no limit
};

// fused [B, T, columns], contiguous -> [B, T, query heads * width]. Token t sees the tokens of its
// document up to itself. Saves `fused`, the output and one float per token and head; scores are
// computed again in backward.
Variable attention(Tape& tape, const Variable& fused, const HeadLayout& layout,
                   const AttentionOptions& options);

// Generation, no gradient: the queries of `fused` come after `past` tokens whose keys and values,
// and those of `fused` itself, are in keys and values [B, >= past + T, kv heads, width].
Tensor attention_with_past(const kernels::Context& context, const Tensor& fused,
                           const HeadLayout& layout, const AttentionOptions& options,
                           const Tensor& keys, const Tensor& values, std::int64_t past);

}  // namespace peryton
