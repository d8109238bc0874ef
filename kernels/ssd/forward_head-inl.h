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
#include "kernels/ssd/forward_tiles.h"
#include "kernels/ssd/group_parts.h"
#include "kernels/ssd/panel_packing-inl.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::cpu::HWY_NAMESPACE {
namespace {

// Where one head of one chunk works.
template <class T>
struct ForwardPlace {
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

// weights[i, j] = exp(s_i - s_j) scores[i, j] Delta_j for j <= i, with D on the diagonal, and 0
// as far right as a block of rows reads. By select: a score above the diagonal may be anything.
template <class T>
void DecayScores(const ForwardPlace<T>& at) {
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
    weights[i] += at.args.d[at.head];
    const std::int64_t end = std::min(padded, i + 6);
    for (j += lanes; j < end; j += lanes) hn::StoreU(hn::Zero(d), d, weights + j);
  }
}

// Panels of x, and of x times what it has left at the end of the chunk.
template <class T>
void PackInput(const ForwardPlace<T>& at) {
  const hn::ScalableTag<T> d;
  const ForwardTiles<T>& tiles = at.tiles;
  const std::int64_t length = at.chunk.length, width = at.width();
  for (std::int64_t i = 0; i < length; ++i) {
    const T* x = at.args.x_at(at.row, at.chunk.begin + i, at.head);
    const auto left = hn::Set(d, tiles.delta[i] * tiles.leaving[i]);
    ForEachPanel<T>(width, [&](auto vectors, std::int64_t p) HWY_ATTR {
      const std::int64_t to = p * length + i * vectors * kLanesOf<T>;
      for (int v = 0; v < vectors; ++v) {
        const std::int64_t from = p + v * kLanesOf<T>;
        const auto value = LoadSome(d, x + from, width - from);
        hn::StoreU(value, d, tiles.x + to + v * kLanesOf<T>);
        hn::StoreU(hn::Mul(value, left), d, tiles.x_left + to + v * kLanesOf<T>);
      }
    });
  }
}

template <int kRows, int kVectors, class T>
HWY_INLINE void OutputBlock(const ForwardPlace<T>& at, std::int64_t i, std::int64_t p) {
  const SsdForwardArgs<T>& args = at.args;
  const std::int64_t state = args.shape.state, length = at.chunk.length, padded = at.padded();
  T* y = args.y + at.row * args.y_strides.batch + (at.chunk.begin + i) * args.y_strides.token +
         at.head * at.width() + p;
  FetchRows<kRows>(y, args.y_strides.token, kRows);
  FetchRows<kRows>(at.next_x + i * args.x_strides.token + p, args.x_strides.token,
                   at.next_rows - i);
  Sums<T, kRows, kVectors> sums;
  sums.clear();
  if (at.chunk.continues) {
    sums.multiply(at.group.c_rows + i * state, 1, kRows, at.state + p * state, state);
    sums.scale_rows(at.tiles.entering + i);
  }
  sums.multiply(at.tiles.weights + i * padded, padded, 1, at.tiles.x + p * length, i + kRows);
  sums.store_rows(y, args.y_strides.token, at.width() - p);
}

template <int kRows, int kVectors, class T>
HWY_INLINE void StateBlock(const ForwardPlace<T>& at, T total, std::int64_t n, std::int64_t p) {
  const std::int64_t length = at.chunk.length;
  T* panel = at.state + p * at.args.shape.state + n * kVectors * kLanesOf<T>;
  if (at.leaving_row != nullptr) {
    FetchRows<kRows>(at.leaving_row + n * at.width() + p, at.width(), kRows);
  }
  Sums<T, kRows, kVectors> sums;
  if (at.chunk.continues) {
    sums.load_scaled(panel, total);
  } else {
    sums.clear();
  }
  sums.multiply(at.group.b_columns + n * length, 1, kRows, at.tiles.x_left + p * length, length);
  sums.store_panel(panel);
  if (at.leaving_row == nullptr) return;
  sums.store_rows(at.leaving_row + n * at.width() + p, at.width(), at.width() - p);
}

template <class T>
void ForwardHead(const ForwardPlace<T>& at) {
  const ForwardTiles<T>& tiles = at.tiles;
  Steps<T> steps{tiles.delta, tiles.sums, tiles.entering, tiles.leaving, 0};
  ComputeSteps<T>(at.args, at.chunk, at.row, at.head, at.padded(), steps);
  PackInput(at);
  DecayScores(at);
  ForEachPanel<T>(at.width(), [&](auto vectors, std::int64_t p) HWY_ATTR {
    ForEachRowBlock(at.chunk.length, [&](auto rows, std::int64_t i)
                                         HWY_ATTR { OutputBlock<rows, vectors>(at, i, p); });
    ForEachRowBlock(at.args.shape.state, [&](auto rows, std::int64_t n) HWY_ATTR {
      StateBlock<rows, vectors>(at, steps.total, n, p);
    });
  });
}

}  // namespace
}  // namespace peryton::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
