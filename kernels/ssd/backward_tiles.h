// How the workspace of the chunked backward is laid out.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/ssd/scratch.h"
#include "kernels/ssd/ssd.h"

namespace peryton::kernels::cpu {

// Scratch memory of one worker; "columns" are transposed tiles [.., token].
template <class T>
struct BackwardTiles {
  T *b_rows, *c_rows;                                           // [L, N]
  T *b_columns, *c_columns, *d_b_columns, *d_c_columns, *part;  // [N, L]
  T *scores, *weights, *products, *d_scores;                    // [L, L]
  T *x_columns, *y_columns;                                     // [P, L]
  T *d_y, *u;                                                   // [L, P]
  T* d_states;                                                  // [heads of the block, N, P]
  T *delta, *sums, *entering, *leaving, *row_sums, *column_sums, *q, *r, *u_dot_x, *factor;

  BackwardTiles(Scratch<T>& scratch, const SsdShape& shape, std::int64_t chunk) {
    const std::int64_t padded = ssd_padded(chunk);
    for (T** tile : {&b_rows, &c_rows, &b_columns, &c_columns, &d_b_columns, &d_c_columns, &part}) {
      *tile = scratch.take(shape.state * padded);
    }
    for (T** tile : {&scores, &weights, &products, &d_scores}) {
      *tile = scratch.take(padded * padded);
    }
    for (T** tile : {&x_columns, &y_columns}) *tile = scratch.take(shape.head_dim * padded);
    for (T** tile : {&d_y, &u}) *tile = scratch.take(chunk * shape.head_dim);
    d_states = scratch.take(ssd_heads_per_block(shape) * shape.state_elements());
    for (T** line :
         {&delta, &sums, &entering, &leaving, &row_sums, &column_sums, &q, &r, &u_dot_x, &factor}) {
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
