// How the workspace of the chunked forward is laid out.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/ssd/scratch.h"
#include "kernels/ssd/ssd.h"

namespace peryton::kernels::cpu {

// Scratch memory of one worker.
template <class T>
struct ForwardTiles {
  T* columns;                     // [N, L]: B transposed, while the group is prepared
  T* weights;                     // [L, L]
  T *x, *x_left;                  // panels of [L, P]
  T* states;                      // [heads of the block], panels of [N, P]
  T *decay_rows, *decay_columns;  // see DecayFactors
  T *delta, *sums, *entering, *leaving;
  std::int64_t state_elements;

  ForwardTiles(Scratch<T>& scratch, const SsdShape& shape, std::int64_t chunk)
      : state_elements(shape.state * ssd_padded(shape.head_dim)) {
    const std::int64_t padded = ssd_padded(chunk);
    decay_rows = scratch.take(padded * (padded / kSsdPadding));
    decay_columns = scratch.take(padded);
    columns = scratch.take(shape.state * padded);
    weights = scratch.take(padded * padded);
    for (T** tile : {&x, &x_left}) *tile = scratch.take(chunk * ssd_padded(shape.head_dim));
    states = scratch.take(ssd_heads_per_block(shape) * state_elements);
    for (T** part : {&delta, &sums, &entering, &leaving}) *part = scratch.take(padded);
  }
};

}  // namespace peryton::kernels::cpu
