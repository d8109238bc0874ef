// LM head and cross-entropy in one op: logits exist only for a chunk of tokens at a time.
//
//   loss = scale * sum_t weight_t * nll_t,   nll_t = -log softmax(sum_k c_k W_k h_k[t])[target_t]
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "framework/autograd/tape.h"

namespace peryton {

struct HeadTerm {
  Variable hidden;  // [.., d_k]
  Variable
      weight;  // [>= vocabulary, d_k]; rows at and beyond `vocabulary` are padding and take no part
};

struct HeadLossArgs {
  std::vector<HeadTerm> terms;
  Variable coefficients;    // [K] in the compute dtype; undefined: one term with coefficient 1
  std::int64_t vocabulary;  // width of the softmax
  Tensor targets;           // int32, as many as tokens; negative: no loss
  Tensor weights;           // float32 per token, or undefined for 1
  double scale = 1;         // usually 1 / (number of target tokens of the global batch)
};

struct HeadLoss {
  Variable loss;            // scalar [1], compute dtype
  std::vector<double> nll;  // per token, unweighted and unscaled; 0 without a target
};

// The gradients of the hidden states (and of trainable heads and coefficients) are computed in the
// forward pass, while the logits are there, and scaled by the seed in backward. Saves those
// gradients only.
HeadLoss head_loss(Tape& tape, const HeadLossArgs& args);

// Bytes of logits that a loss over so many tokens holds at a time. `products`: distinct pairs of
// hidden states and matrix among its terms.
std::int64_t head_loss_bytes(std::int64_t tokens, std::int64_t vocabulary, std::int64_t products,
                             DType dtype);

}  // namespace peryton
