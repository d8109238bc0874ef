// What the workspaces of forward and backward have in common.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/ssd/scratch.h"
#include "kernels/ssd/ssd.h"

namespace peryton::kernels::cpu {

// Scratch memory of one worker for one chunk of one head.
template <class T>
struct ChunkTiles {
  T *decay_rows, *decay_columns;         // see DecayFactors
  T *delta, *sums, *entering, *leaving;  // see Steps
  T* weights;                            // [L, L]
  std::int64_t state_elements;           // of a state in panels of [N, P]

  ChunkTiles(Scratch<T>& scratch, const SsdShape& shape, std::int64_t chunk)
      : state_elements(shape.state * ssd_padded(shape.head_dim)) {
    const std::int64_t padded = ssd_padded(chunk);
    decay_rows = scratch.take(padded * (padded / kSsdPadding));
    decay_columns = scratch.take(padded);
    for (T** line : {&delta, &sums, &entering, &leaving}) *line = scratch.take(padded);
    weights = scratch.take(padded * padded);
  }
};

}  // namespace peryton::kernels::cpu
