// How the workspace of the chunked backward is laid out.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/ssd/chunk_tiles.h"

namespace peryton::kernels::cpu {

// Scratch memory of one worker. Panels: see panel_math-inl.h; "columns" are transposed tiles.
template <class T>
struct BackwardTiles : ChunkTiles<T> {
  T *c_columns, *d_b_columns, *d_c_columns;  // panels of [N, L]
  T *products, *d_scores;                    // [L, L]
  T *x_columns, *y_columns;                  // panels of [P, L]: x and d_y as factors
  T *y, *y_entering;                         // panels of [L, P]: d_y, and times exp(s) as factors
  T *y_pairs, *token_pairs;                  // [L, P]: factors, right and left
  T* d_states;                               // [heads of the block], panels of [N, P]
  T *row_sums, *column_sums, *q, *r, *u_dot_x, *factor;

  BackwardTiles(Scratch<T>& scratch, const SsdShape& shape, std::int64_t chunk)
      : ChunkTiles<T>(scratch, shape, chunk) {
    const std::int64_t padded = ssd_padded(chunk);
    for (T** tile : {&c_columns, &d_b_columns, &d_c_columns}) {
      *tile = scratch.take((shape.state + 1) * padded);
    }
    for (T** tile : {&products, &d_scores}) *tile = scratch.take(padded * padded);
    for (T** tile : {&x_columns, &y_columns}) *tile = scratch.take(shape.head_dim * padded);
    for (T** tile : {&y, &y_entering}) *tile = scratch.take(chunk * ssd_padded(shape.head_dim));
    y_pairs = scratch.take(pairs_of(chunk) * ssd_padded(shape.head_dim));
    token_pairs = scratch.take(chunk * pairs_of(shape.head_dim));
    d_states = scratch.take(ssd_heads_per_block(shape) * this->state_elements);
    for (T** line : {&row_sums, &column_sums, &q, &r, &u_dot_x, &factor}) {
      *line = scratch.take(padded);
    }
  }
};

// Partial sums that tasks leave for the reduction.
template <class T>
struct BackwardPartials {
  T *d_b, *d_c;  // [head blocks, B, T, G, N]
  T* heads;      // [B, H, 3]: d_A, d_dt_bias, d_D
  std::int64_t block_elements;

  BackwardPartials(Scratch<T>& scratch, const SsdShape& shape)
      : block_elements(shape.batch * shape.tokens * shape.groups * shape.state) {
    d_b = scratch.take(ssd_head_blocks(shape) * block_elements);
    d_c = scratch.take(ssd_head_blocks(shape) * block_elements);
    heads = scratch.take(shape.batch * shape.heads * 3);
  }
};

}  // namespace peryton::kernels::cpu
