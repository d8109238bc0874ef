// One head in one chunk of the forward: y = exp(s_i) H^T C_i + W x + D x and the state that leaves,
// a panel of the head's columns at a time. Sums stay in registers from the first product to the
// last, and what is a factor of a row or of the whole is applied there.
// SPDX-License-Identifier: Apache-2.0
#if defined(PERYTON_KERNELS_SSD_FORWARD_HEAD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PERYTON_KERNELS_SSD_FORWARD_HEAD_INL_H_
#undef PERYTON_KERNELS_SSD_FORWARD_HEAD_INL_H_
#else
#define PERYTON_KERNELS_SSD_FORWARD_HEAD_INL_H_
#endif

#include "kernels/ssd/chunk_parts-inl.h"
#include "kernels/ssd/factors-inl.h"
#include "kernels/ssd/forward_tiles.h"
#include "kernels/ssd/group_parts.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::cpu::HWY_NAMESPACE {
namespace {

// Where one head of one chunk works; the products read F.
template <class F>
struct ForwardPlace {
  using T = typename F::Value;
  using Element = typename F::Element;

  const F& factors;
  const SsdForwardArgs<T>& args;
  const SsdChunk& chunk;
  std::int64_t row, head;
  const GroupChunk<T>& group;
  T* state;         // panels of [N, P]: entering, becomes leaving
  T* leaving_row;   // [N, P] to store the leaving state as well, or null
  const T* next_x;  // what the next head reads: next_rows tokens
  std::int64_t next_rows;
  const ForwardTiles<T>& tiles;

  std::int64_t width() const { return args.shape.head_dim; }
  std::int64_t padded() const { return ssd_padded(chunk.length); }
};

// weights[i, j] = exp(s_i - s_j) scores[i, j] Delta_j for j <= i, with D on the diagonal unless it
// would be rounded, and 0 as far right as a block of rows reads. By select: a score above the
// diagonal may be anything.
template <class F, class T = typename F::Value>
void DecayScores(const ForwardPlace<F>& at) {
  const hn::ScalableTag<T> d;
  const std::int64_t lanes = kLanesOf<T>, padded = at.padded();
  const ForwardTiles<T>& tiles = at.tiles;
  const DecayFactors<T> decays{tiles.sums, tiles.decay_columns, tiles.decay_rows, padded};
  decays.compute();
  for (std::int64_t i = 0; i < at.chunk.length; ++i) {
    const T* scores = at.group.scores + i * padded;
    T* weights = tiles.weights + i * padded;
    std::int64_t j = 0;
    for (; j <= i; j += lanes) {
      const auto score = hn::Mul(hn::LoadU(d, scores + j), hn::LoadU(d, tiles.delta + j));
      hn::StoreU(hn::Mul(decays.at(d, i, j), score), d, weights + j);
    }
    j -= lanes;
    const auto wanted = hn::Le(hn::Iota(d, static_cast<T>(j)), hn::Set(d, static_cast<T>(i)));
    hn::StoreU(hn::IfThenElseZero(wanted, hn::LoadU(d, weights + j)), d, weights + j);
    if constexpr (!F::kRounds) weights[i] += at.args.d[at.head];
    const std::int64_t end = F::weights_end(i, padded);
    for (j += lanes; j < end; j += lanes) hn::StoreU(hn::Zero(d), d, weights + j);
  }
}

// Panels of x, and of x times what it has left at the end of the chunk.
template <class F>
void PackInput(const ForwardPlace<F>& at) {
  const ForwardTiles<typename F::Value>& tiles = at.tiles;
  const std::int64_t length = at.chunk.length, width = at.width();
  PackPanels(at.args.x_at(at.row, at.chunk.begin, at.head), at.args.x_strides.token, length, width,
             tiles.x);
  for (std::int64_t j = 0; j < length; ++j) tiles.left[j] = tiles.delta[j] * tiles.leaving[j];
  at.factors.scale_panels(tiles.x, length, width, tiles.left, F::elements(tiles.x_left));
}

// What the products of a panel of columns read beside what the group shares.
template <class Element>
struct ForwardFactors {
  const Element *weights, *x, *state, *x_left;
};

template <int kRows, int kVectors, class F, class T = typename F::Value>
HWY_INLINE void OutputBlock(const ForwardPlace<F>& at,
                            const ForwardFactors<typename F::Element>& with, std::int64_t i,
                            std::int64_t p) {
  const SsdForwardArgs<T>& args = at.args;
  const std::int64_t state = args.shape.state, length = at.chunk.length, padded = at.padded();
  T* y = args.y + at.row * args.y_strides.batch + (at.chunk.begin + i) * args.y_strides.token +
         at.head * at.width() + p;
  FetchRows<kRows, kVectors>(y, args.y_strides.token, kRows);
  const std::int64_t row = F::depth(padded);
  const Product<typename F::Element> weighted{{with.weights + i * row, row, 1}, with.x, i + kRows};
  Sums<T, kRows, kVectors> sums;
  if (at.chunk.continues) {
    const auto left = at.factors.template left<kRows>(F::elements(at.group.c_rows), i, state);
    at.factors.set_products(sums, {left, with.state, state}, at.tiles.entering + i, weighted);
  } else {
    at.factors.set_product(sums, weighted.left, weighted.right, weighted.count);
  }
  if constexpr (F::kRounds) {
    sums.add_scaled(at.tiles.x + p * length + i * kVectors * kLanesOf<T>, args.d[at.head]);
  }
  sums.store_rows(y, args.y_strides.token, at.width() - p);
}

template <int kRows, int kVectors, class F, class T = typename F::Value>
HWY_INLINE void StateBlock(const ForwardPlace<F>& at,
                           const ForwardFactors<typename F::Element>& with, T total, std::int64_t n,
                           std::int64_t p) {
  const std::int64_t length = at.chunk.length, state = at.args.shape.state;
  T* panel = at.state + p * state + n * kVectors * kLanesOf<T>;
  FetchPart<kRows, kVectors>(at.next_x + p, at.args.x_strides.token, at.next_rows, n, state);
  if (at.leaving_row != nullptr) {
    FetchRows<kRows, kVectors>(at.leaving_row + n * at.width() + p, at.width(), kRows);
  }
  const auto left =
      at.factors.template left_transposed<kRows>(F::elements(at.group.b_columns), n, state, length);
  Sums<T, kRows, kVectors> sums;
  at.factors.update(sums, panel, at.chunk.continues ? &total : nullptr, left, with.x_left, length);
  if (at.leaving_row == nullptr) return;
  sums.store_rows(at.leaving_row + n * at.width() + p, at.width(), at.width() - p);
}

template <class F, class T = typename F::Value>
void ForwardHead(const ForwardPlace<F>& at) {
  const ForwardTiles<T>& tiles = at.tiles;
  const std::int64_t length = at.chunk.length, state = at.args.shape.state, width = at.width();
  Steps<T> steps{tiles.delta, tiles.sums, tiles.entering, tiles.leaving, 0};
  ComputeSteps<T>(at.args, at.chunk, at.row, at.head, at.padded(), steps);
  PackInput(at);
  DecayScores(at);
  const F& factors = at.factors;
  const auto* weights =
      factors.left_of_weights(tiles.weights, length, F::elements(tiles.weight_pairs));
  const auto* x = factors.right_of_panels(tiles.x, length, width, F::elements(tiles.x_pairs));
  const auto* x_left = F::elements(tiles.x_left);
  ForEachPanel<T>(width, [&](auto vectors, std::int64_t p) HWY_ATTR {
    const std::int64_t tokens = p * F::depth(length);
    ForwardFactors<typename F::Element> with{weights, x + tokens, nullptr, x_left + tokens};
    if (at.chunk.continues) {
      with.state = factors.right_of_panels(at.state + p * state, state, vectors * kLanesOf<T>,
                                           F::elements(tiles.state_pairs));
    }
    F::for_each_row_block(length, [&](auto rows, std::int64_t i)
                                      HWY_ATTR { OutputBlock<rows, vectors>(at, with, i, p); });
    F::for_each_row_block(state, [&](auto rows, std::int64_t n) HWY_ATTR {
      StateBlock<rows, vectors>(at, with, steps.total, n, p);
    });
  });
}

}  // namespace
}  // namespace peryton::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
