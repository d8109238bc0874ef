// What the heads of a group share, in the workspace of all workers: prepared once for every chunk
// before the heads walk them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/ssd/scratch.h"
#include "kernels/ssd/ssd.h"

namespace peryton::kernels::cpu {

// Of one chunk and group.
template <class T>
struct GroupChunk {
  T* c_left;  // C [L, N] as a left matrix, by blocks of rows (panel_math-inl.h)
  T* b_left;  // B^T [N, L] likewise
  T* scores;  // [L, padded L]: C_i . B_j for j <= i
};

template <class T>
struct GroupParts {
  T *c_left, *b_left, *scores;
  std::int64_t tokens, groups, state, longest;

  GroupParts(Scratch<T>& scratch, const SsdShape& shape, std::int64_t chunk)
      : tokens(shape.tokens), groups(shape.groups), state(shape.state), longest(ssd_padded(chunk)) {
    const std::int64_t total = shape.batch * tokens * groups;
    c_left = scratch.take(total * state);
    b_left = scratch.take(total * state);
    scores = scratch.take(total * longest);
  }
  GroupChunk<T> at(std::int64_t row, std::int64_t group, std::int64_t begin) const {
    const std::int64_t token = (row * groups + group) * tokens + begin;
    return {c_left + token * state, b_left + token * state, scores + token * longest};
  }
};

// The row of chunk `index`.
inline std::int64_t ssd_row_of_chunk(const SsdChunkTable& table, std::int64_t index) {
  std::int64_t row = 0;
  while (table.row_begin[row + 1] <= index) ++row;
  return row;
}

}  // namespace peryton::kernels::cpu
