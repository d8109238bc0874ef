// Element-wise reduction of two buffers: the only place where ranks' numbers are added.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "framework/comm/communicator.h"

namespace peryton {

// target[i] = target[i] op other[i] (target_first) or other[i] op target[i]: the operand of the
// lower rank stands first, which matters for the bits of NaN and of max(-0, +0). Max lets a NaN
// win, so that it cannot hide. Types: float32, float64, int32, int64.
void combine(CommSpan target, const void* other, Reduce op, bool target_first);

}  // namespace peryton
