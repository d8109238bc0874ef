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

  double total() const { return frozen + trained + mixing; }
  // Forward and backward. Backward multiplies each matrix once with the gradient of its output,
  // and once more that gradient with its input if it trains: 4 and 6 per weight. Attention and
  // scans have two factors that both need gradients whatever trains. Where nothing trains below a
  // block, its backward does not run; it counts nevertheless.
  double training() const { return 2 * frozen + 3 * trained + 3 * mixing; }

  // A product with `weights` weights of this matrix; of another name for it, with the one it names.
  void add_product(Parameter& matrix, std::int64_t weights) {
    (matrix.holder().trainable ? trained : frozen) += 2.0 * static_cast<double>(weights);
  }
  ForwardFlops& operator+=(const ForwardFlops& other) {
    frozen += other.frozen, trained += other.trained, mixing += other.mixing;
    return *this;
  }
};

// Of blocks [first, last) at a context of `length` tokens.
ForwardFlops block_flops_per_token(const Component& component, std::int64_t first,
                                   std::int64_t last, std::int64_t length);

// Whether a block multiplies by it: the matrices of `components` that weight decay is for.
bool is_block_matrix(const Parameter& parameter);

}  // namespace peryton
