// What forward and backward of a chunk share: which heads a task owns, and time steps.
// SPDX-License-Identifier: Apache-2.0
#if defined(PERYTON_KERNELS_SSD_CHUNK_PARTS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PERYTON_KERNELS_SSD_CHUNK_PARTS_INL_H_
#undef PERYTON_KERNELS_SSD_CHUNK_PARTS_INL_H_
#else
#define PERYTON_KERNELS_SSD_CHUNK_PARTS_INL_H_
#endif

#include "kernels/ssd/scratch.h"
#include "kernels/ssd/ssd.h"
#include "kernels/ssd/time_step.h"
#include "kernels/ssd/vector_loops-inl.h"

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

// slope[j] = d softplus / d v at v = slope[j]; none where the limits cut.
template <class T>
void TimeStepSlopes(T* slope, std::int64_t count, T dt_min, T dt_max) {
  ForEachVector<T>(count, [&](auto d, std::int64_t j) HWY_ATTR {
    const auto v = hn::LoadU(d, slope + j), one = hn::Set(d, T(1));
    const auto large = hn::Gt(v, hn::Set(d, T(20)));
    const auto e = hn::Exp(d, v);
    const auto step = hn::IfThenElse(large, v, hn::Log1p(d, e));
    const auto value = hn::IfThenElse(large, one, hn::Div(e, hn::Add(one, e)));
    const auto cut = hn::Or(hn::Lt(step, hn::Set(d, dt_min)), hn::Gt(step, hn::Set(d, dt_max)));
    const auto inside = hn::IfThenElse(cut, hn::Zero(d), value);
    hn::StoreU(hn::IfThenElse(hn::IsNaN(v), v, inside), d, slope + j);
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

// exp(s_i - s_j) for j <= i. Columns go by blocks of kSsdPadding; with e the last token of a block,
// a row below the block takes exp(s_i - s_e) exp(s_e - s_j), both at most 1 and known beforehand,
// and only rows that cross the block themselves need an exponential per element.
template <class T>
struct DecayFactors {
  const T* sums;
  T* columns;  // [padded]: exp(s_e - s_j)
  T* rows;     // [blocks, padded]: exp(s_i - s_e) for the rows below
  std::int64_t padded;

  void compute() const {
    for (std::int64_t j = 0; j < padded; j += kSsdPadding) {
      const std::int64_t below = j + kSsdPadding;
      const T last = sums[below - 1];
      T* row = rows + j / kSsdPadding * padded;
      for (std::int64_t k = j; k < below; ++k) columns[k] = last - sums[k];
      for (std::int64_t i = below; i < padded; ++i) row[i] = sums[i] - last;
      DecayOf(row + below, row + below, padded - below);
    }
    DecayOf(columns, columns, padded);
  }
  // The vector that starts at column j; what lies right of the diagonal is not to be used.
  template <class D>
  HWY_INLINE hn::Vec<D> at(D d, std::int64_t i, std::int64_t j) const {
    if (j / kSsdPadding < i / kSsdPadding) {
      const T row = rows[j / kSsdPadding * padded + i];
      return hn::Mul(hn::Set(d, row), hn::LoadU(d, columns + j));
    }
    const auto exponent = hn::Sub(hn::Set(d, sums[i]), hn::LoadU(d, sums + j));
    return hn::Exp(d, hn::Min(exponent, hn::Zero(d)));
  }
};

}  // namespace
}  // namespace peryton::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
