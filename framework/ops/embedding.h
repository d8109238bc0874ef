// Token embedding.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "framework/autograd/tape.h"

namespace peryton {

// ids int32 [B, T], table [vocabulary, width] -> [B, T, width]; float for a table in bfloat16:
// weights are stored in half the bytes, what flows through a model is not rounded. An id outside
// the table is an error. Saves the ids.
Variable embedding(Tape& tape, const Tensor& ids, const Variable& table);

}  // namespace peryton
