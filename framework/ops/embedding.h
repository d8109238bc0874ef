// Token embedding.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "framework/autograd/tape.h"

namespace peryton {

// ids int32 [B, T], table [vocabulary, width] -> [B, T, width]. An id outside the table is an
// error. Saves the ids.
Variable embedding(Tape& tape, const Tensor& ids, const Variable& table);

}  // namespace peryton
