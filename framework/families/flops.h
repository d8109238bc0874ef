// Floating-point operations per token, counted as multiply-adds x 2 of matrices, attention and
// scans, for utilisation, for budgets and for comparisons at equal cost. What is done element by
// element (norms, activations, mixtures of hidden states) does not count.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "framework/families/family.h"

namespace peryton {

// Of a forward pass, parted by what a training step makes of it.
struct ForwardFlops {
  double frozen = 0, trained = 0;  // products with matrices that are frozen, that train
  double mixing = 0;               // attention, scans, convolutions
  double spared = 0;               // what backward leaves out, where nothing trains below

  double total() const { return frozen + trained + mixing; }
  // Forward and backward. Backward multiplies each matrix once with the gradient of its output,
  // and once more that gradient with its input if it trains: 4 and 6 per weight. Attention and
  // scans have two factors that both need gradients whatever trains. What the tape does not record,
  // since nothing trains below it, has no backward at all.
  double training() const { return 2 * frozen + 3 * trained + 3 * mixing - spared; }

  // A product with `weights` weights of this matrix; of another name for it, with the one it names.
  // `gradient`: whether its input needs one, and afterwards whether its output does.
  void add_product(Parameter& matrix, std::int64_t weights, bool& gradient);
  void add_mixing(double flops, bool gradient);
  ForwardFlops& operator+=(const ForwardFlops& other);
};

// Whether what embed() gives needs a gradient.
bool embedding_trains(const Component& component);

// Of blocks [first, last), and the final norm after all of them, at a context of `length` tokens.
// `gradient`: whether the hidden states need one, and afterwards whether those that come out do.
// Within a block parameters count in their order, and attention or a scan after the first matrix.
// Matrices side by side count as if one fed the next: in the lowest block, where it trains and
// neither its embedding nor its norms do, all but the first count a gradient of the block's input
// that the tape leaves out.
ForwardFlops block_flops_per_token(const Component& component, std::int64_t first,
                                   std::int64_t last, std::int64_t length, bool& gradient);

// The same for hidden states that need a gradient.
ForwardFlops block_flops_per_token(const Component& component, std::int64_t first,
                                   std::int64_t last, std::int64_t length);

// Whether a block multiplies by it: the matrices of `components` that weight decay is for.
bool is_block_matrix(const Parameter& parameter);

}  // namespace peryton
