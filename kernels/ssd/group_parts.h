// What the heads of a group share, in the workspace of all workers: prepared once for every chunk
// before the heads walk them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/common/function_ref.h"
#include "kernels/ssd/pair_tiles.h"
#include "kernels/ssd/scratch.h"
#include "kernels/ssd/ssd.h"

namespace peryton::kernels::cpu {

// Of one chunk and group. Left matrices are those of factors-inl.h, numbers or pairs.
template <class T>
struct GroupChunk {
  T *b_columns, *c_columns;  // left matrices B^T and C^T [N, L]; the second is null in forward
  T *b_rows, *c_rows;        // left matrices B and C [L, N]; the first is null in forward
  T* scores;                 // [L, padded L]: C_i . B_j for j <= i
};

enum class SsdPass { kForward, kBackward };

template <class T>
class GroupParts {
 public:
  GroupParts(Scratch<T>& scratch, const SsdShape& shape, std::int64_t chunk, SsdPass pass)
      : tokens_(shape.tokens),
        groups_(shape.groups),
        state_(shape.state),
        longest_(ssd_padded(chunk)) {
    const std::int64_t total = shape.batch * tokens_ * groups_;
    b_columns_ = scratch.take(total * state_);
    c_rows_ = scratch.take(total * state_);
    if (pass == SsdPass::kBackward) {
      c_columns_ = scratch.take(total * state_);
      b_rows_ = scratch.take(total * state_);
    }
    scores_ = scratch.take(total * longest_);
  }
  GroupChunk<T> at(std::int64_t row, std::int64_t group, std::int64_t begin) const {
    const std::int64_t token = (row * groups_ + group) * tokens_ + begin;
    const auto from = [&](T* array) { return array == nullptr ? nullptr : array + token * state_; };
    return {from(b_columns_), from(c_columns_), from(b_rows_), from(c_rows_),
            scores_ + token * longest_};
  }

 private:
  std::int64_t tokens_, groups_, state_, longest_;
  T *b_columns_, *c_rows_, *c_columns_ = nullptr, *b_rows_ = nullptr, *scores_;
};

// Fills `parts` for every chunk and group, with pairs if there are `pairs` (not for double);
// columns_of(worker) is a scratch of (N + 1) * padded L elements.
template <class T>
void prepare_groups(const SsdArgs<T>& args, const SsdChunkTable& table, const GroupParts<T>& parts,
                    const PairTiles* pairs, FunctionRef<T*(int worker)> columns_of,
                    const Context& context);

}  // namespace peryton::kernels::cpu
