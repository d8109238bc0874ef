// What the workspaces of forward and backward have in common.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/ssd/pair_tiles.h"
#include "kernels/ssd/scratch.h"
#include "kernels/ssd/ssd.h"

namespace peryton::kernels::cpu {

// Scratch memory of one worker for one chunk of one head.
template <class T>
struct ChunkTiles {
  T *decay_rows, *decay_columns;         // see DecayFactors
  T *delta, *sums, *entering, *leaving;  // see Steps
  T* weights;                            // [L, L]
  T *weight_pairs, *state_pairs;         // weights, or a state, as factors of a product
  std::int64_t state_elements;           // of a state in panels of [N, P]

  ChunkTiles(Scratch<T>& scratch, const SsdShape& shape, std::int64_t chunk)
      : state_elements(shape.state * ssd_padded(shape.head_dim)) {
    const std::int64_t padded = ssd_padded(chunk);
    decay_rows = scratch.take(padded * (padded / kSsdPadding));
    decay_columns = scratch.take(padded);
    for (T** line : {&delta, &sums, &entering, &leaving}) *line = scratch.take(padded);
    weights = scratch.take(padded * padded);
    weight_pairs = scratch.take(padded * pairs_of(padded));
    state_pairs = scratch.take(pairs_of(shape.state) * ssd_padded(shape.head_dim));
  }
};

}  // namespace peryton::kernels::cpu
