// What forward and backward of a chunk share: time steps, packed inputs, the tile of scores.
// SPDX-License-Identifier: Apache-2.0
#if defined(PERYTON_KERNELS_SSD_CHUNK_PARTS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PERYTON_KERNELS_SSD_CHUNK_PARTS_INL_H_
#undef PERYTON_KERNELS_SSD_CHUNK_PARTS_INL_H_
#else
#define PERYTON_KERNELS_SSD_CHUNK_PARTS_INL_H_
#endif

#include "kernels/ssd/ssd.h"
#include "kernels/ssd/tile_math-inl.h"
#include "kernels/ssd/time_step.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::cpu::HWY_NAMESPACE {
namespace {

// The heads of one group that one task owns.
struct HeadBlock {
  std::int64_t row, group, first_head, heads, index;
};

inline HeadBlock FindHeadBlock(const SsdShape& shape, std::int64_t task) {
  const std::int64_t per_block = ssd_heads_per_block(shape), blocks = ssd_head_blocks(shape);
  const std::int64_t index = task % blocks, group = task / blocks % shape.groups;
  const std::int64_t first = index * per_block;
  return {task / blocks / shape.groups, group, group * shape.heads_per_group() + first,
          std::min(per_block, shape.heads_per_group() - first), index};
}

// Time steps of one chunk and head; arrays of `padded` elements, the tail has Delta = 0 and flat
// sums.
template <class T>
struct Steps {
  T *delta, *sums, *entering, *leaving;  // Delta, s, exp(s), exp(sigma - s)
  T total;                               // exp(sigma)
};

// delta[j] = clamp(softplus(delta[j])); a NaN stays one.
template <class T>
void TimeSteps(T* delta, std::int64_t count, T dt_min, T dt_max) {
  ForEachVector<T>(count, [&](auto d, std::int64_t j) HWY_ATTR {
    const auto v = hn::LoadU(d, delta + j), low = hn::Set(d, dt_min), high = hn::Set(d, dt_max);
    const auto large = hn::Gt(v, hn::Set(d, T(20)));
    auto step = hn::IfThenElse(large, v, hn::Log1p(d, hn::Exp(d, v)));
    step = hn::IfThenElse(hn::Lt(step, low), low, step);
    step = hn::IfThenElse(hn::Gt(step, high), high, step);
    hn::StoreU(hn::IfThenElse(hn::IsNaN(v), v, step), d, delta + j);
  });
}

template <class T>
void ComputeSteps(const SsdArgs<T>& args, const SsdChunk& chunk, std::int64_t row,
                  std::int64_t head, std::int64_t padded, Steps<T>& steps) {
  const T a = -std::exp(args.a_log[head]), bias = args.dt_bias[head];
  for (std::int64_t j = 0; j < chunk.length; ++j) {
    steps.delta[j] = args.dt_at(row, chunk.begin + j, head) + bias;
  }
  TimeSteps(steps.delta, chunk.length, args.dt_min, args.dt_max);
  std::fill(steps.delta + chunk.length, steps.delta + padded, T(0));
  T sum = 0;
  for (std::int64_t j = 0; j < padded; ++j) {
    sum += steps.delta[j] * a;
    steps.sums[j] = sum;
  }
  for (std::int64_t j = 0; j < padded; ++j) steps.leaving[j] = sum - steps.sums[j];
  DecayOf(steps.leaving, steps.leaving, padded);
  DecayOf(steps.sums, steps.entering, padded);
  steps.total = steps.entering[padded - 1];
}

// B and C of one chunk and group, packed; scores[i, j] = C_i . B_j for j <= i.
template <class T>
struct GroupTiles {
  T *b_rows, *c_rows;  // [L, N]
  T* b_columns;        // [N, L]
  T* scores;           // [L, L]
};

template <class T>
void ComputeScores(const SsdArgs<T>& args, const SsdChunk& chunk, const HeadBlock& block,
                   std::int64_t padded, const GroupTiles<T>& tiles) {
  const std::int64_t state = args.shape.state;
  for (std::int64_t j = 0; j < chunk.length; ++j) {
    const std::int64_t t = chunk.begin + j;
    std::copy_n(args.b_at(block.row, t, block.group), state, tiles.b_rows + j * state);
    std::copy_n(args.c_at(block.row, t, block.group), state, tiles.c_rows + j * state);
  }
  Transpose(tiles.b_rows, state, chunk.length, state, tiles.b_columns, padded);
  MultiplyTiles({tiles.c_rows, state, 1}, tiles.b_columns, padded, tiles.scores, padded,
                chunk.length, padded, state, false, Part::kLowerResult);
}

}  // namespace
}  // namespace peryton::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
