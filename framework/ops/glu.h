// Gated linear unit on the tape; formula in kernels/activation/glu.h.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "framework/ops/activation.h"

namespace peryton {

// kind(gate) * value, of the same shape and dtype; both may have strided rows (halves of one
// projection). Saves both.
Variable glu(Tape& tape, const Variable& gate, const Variable& value, Activation kind);

}  // namespace peryton
