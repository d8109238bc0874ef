// Several linear layers of one input, written side by side.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "framework/autograd/tape.h"

namespace peryton {

// How a weight lies in memory and in its file: y = x W^T with W [out, in] (Linear of PyTorch), or
// y = x W with W [in, out] (Conv1D of GPT-2).
enum class WeightLayout { kOutIn, kInOut };

struct LinearTerm {
  Variable weight;
  Variable bias = {};  // [out] or undefined
};

// x [.., in] -> [.., sum of the terms' out] in x's dtype: the results of the terms in order, with
// no copy. bfloat16 is widened to float for the products; the input gradient is summed over the
// terms in the compute dtype. Saves x only if a weight needs a gradient, and weights only if x
// does.
Variable fused_linear(Tape& tape, const Variable& x, const std::vector<LinearTerm>& terms,
                      WeightLayout layout = WeightLayout::kOutIn);

}  // namespace peryton
