// How the workspace of the chunked forward is laid out.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/ssd/chunk_tiles.h"

namespace peryton::kernels::cpu {

// Scratch memory of one worker.
template <class T>
struct ForwardTiles : ChunkTiles<T> {
  T* columns;     // [N, L]: B transposed, while the group is prepared
  T *x, *x_left;  // panels of [L, P]; the second holds factors of products
  T* left;        // Delta exp(sigma - s)
  T* x_pairs;     // x as factors
  T* states;      // [heads of the block], panels of [N, P]

  ForwardTiles(Scratch<T>& scratch, const SsdShape& shape, std::int64_t chunk)
      : ChunkTiles<T>(scratch, shape, chunk) {
    columns = scratch.take((shape.state + 1) * ssd_padded(chunk));
    for (T** tile : {&x, &x_left}) *tile = scratch.take(chunk * ssd_padded(shape.head_dim));
    x_pairs = scratch.take(pairs_of(chunk) * ssd_padded(shape.head_dim));
    left = scratch.take(ssd_padded(chunk));
    states = scratch.take(ssd_heads_per_block(shape) * this->state_elements);
  }
};

}  // namespace peryton::kernels::cpu
