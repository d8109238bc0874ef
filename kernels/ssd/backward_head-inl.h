// Gradients of one head in one chunk. E = dLoss/d(state leaving the chunk), H = state entering it,
// s and sigma as in ssd.h, K_ij = d_y_i . x_j, G_ij = exp(s_i - s_j) for j <= i and 0 above, CB_ij
// = C_i . B_j:
//   u_j    = sum_{i>=j} G_ij CB_ij d_y_i + exp(sigma - s_j) E^T B_j
//   d_x_j  = Delta_j u_j + D d_y_j,   d_D = sum_i K_ii
//   d_CB  += G_ij Delta_j K_ij        (per group; then d_C += d_CB B, d_B += d_CB^T C)
//   d_B_j += Delta_j exp(sigma - s_j) E x_j,   d_C_i += exp(s_i) H d_y_i
//   E'     = exp(sigma) E + sum_i exp(s_i) C_i d_y_i^T
// Decay: with Om_ij = G_ij CB_ij Delta_j K_ij for j < i (diagonal left out), its row sums R and
// column sums Kc, q_i = exp(s_i) d_y_i . H^T C_i,  r_j = Delta_j exp(sigma - s_j) x_j . E^T B_j,  e
// = exp(sigma) <E, H>:
//   d_l_k = sum_{i>=k} (R_i - Kc_i + q_i) + sum_{j<k} r_j + e,   d_Delta_t = u_t . x_t + A d_l_t
// R and Kc are sums of the same rounded numbers, so what should cancel does.
// SPDX-License-Identifier: Apache-2.0
#if defined(PERYTON_KERNELS_SSD_BACKWARD_HEAD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PERYTON_KERNELS_SSD_BACKWARD_HEAD_INL_H_
#undef PERYTON_KERNELS_SSD_BACKWARD_HEAD_INL_H_
#else
#define PERYTON_KERNELS_SSD_BACKWARD_HEAD_INL_H_
#endif

#include "kernels/ssd/backward_tiles.h"
#include "kernels/ssd/chunk_parts-inl.h"
#include "kernels/ssd/group_parts.h"
#include "kernels/ssd/panel_packing-inl.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::cpu::HWY_NAMESPACE {
namespace {

// Where one head of one chunk works.
template <class T>
struct BackwardPlace {
  const SsdBackwardArgs<T>& args;
  const SsdChunk& chunk;
  std::int64_t row, head;
  const GroupChunk<T>& group;
  const T* entering_state;     // H [N, P]; read only where the chunk continues
  T* d_state;                  // E, panels of [N, P]; becomes E'
  bool later;                  // E is there (else zero)
  T* sums;                     // d_A, d_dt_bias, d_D of this row and head: added to
  const T *next_x, *next_d_y;  // what the next head reads: next_rows tokens
  std::int64_t next_rows;
  const BackwardTiles<T>& tiles;

  std::int64_t width() const { return args.shape.head_dim; }
  std::int64_t state() const { return args.shape.state; }
  std::int64_t length() const { return chunk.length; }
  std::int64_t padded() const { return ssd_padded(chunk.length); }
  const T* x(std::int64_t j) const { return args.x_at(row, chunk.begin + j, head); }
  const T* d_y(std::int64_t i) const {
    return args.d_y + row * args.d_y_strides.batch + (chunk.begin + i) * args.d_y_strides.token +
           head * width();
  }
  T* d_x(std::int64_t j) const {
    return args.d_x + row * args.d_x_strides.batch + (chunk.begin + j) * args.d_x_strides.token +
           head * width();
  }
};

// Panels of d_y, and of d_y times what has entered with the chunk; columns of x and d_y.
template <class T>
void PackHead(const BackwardPlace<T>& at, const Steps<T>& steps) {
  const hn::ScalableTag<T> d;
  const BackwardTiles<T>& tiles = at.tiles;
  const std::int64_t length = at.length(), width = at.width();
  PackTransposed(at.x(0), at.args.x_strides.token, length, width, tiles.x_columns);
  PackPanels(at.d_y(0), at.args.d_y_strides.token, length, width, tiles.y);
  if (!at.chunk.continues) return;
  PackTransposed(at.d_y(0), at.args.d_y_strides.token, length, width, tiles.y_columns);
  ForEachPanel<T>(width, [&](auto vectors, std::int64_t p) HWY_ATTR {
    const std::int64_t line = vectors * kLanesOf<T>;
    for (std::int64_t i = 0; i < length; ++i) {
      const auto factor = hn::Set(d, steps.entering[i]);
      for (std::int64_t v = 0; v < line; v += kLanesOf<T>) {
        const std::int64_t place = p * length + i * line + v;
        const auto value = hn::LoadU(d, tiles.y + place);
        hn::StoreU(hn::Mul(value, factor), d, tiles.y_entering + place);
      }
    }
  });
}

// sums += rows of `left` times `right`, where the left matrix lies in panels of `rows` rows and
// the sums start at its row i: a panel holds a part of the depth.
template <int kRows, int kVectors, class T>
HWY_INLINE void MultiplyPanels(Sums<T, kRows, kVectors>& sums, const T* left, std::int64_t rows,
                               std::int64_t i, const T* right, std::int64_t depth) {
  for (std::int64_t k = 0; k < depth; k += 2 * kLanesOf<T>) {
    const std::int64_t line = (k + kLanesOf<T> < depth ? 2 : 1) * kLanesOf<T>;
    sums.multiply(left + k * rows + i * line, line, 1, right + k * kVectors * kLanesOf<T>,
                  std::min(line, depth - k));
  }
}

// K where a tile touches j <= i.
template <class T>
void ComputeProducts(const BackwardPlace<T>& at) {
  const std::int64_t length = at.length(), width = at.width(), padded = at.padded();
  ForEachPanel<T>(length, [&](auto vectors, std::int64_t j) HWY_ATTR {
    ForEachRowBlock(length, [&](auto rows, std::int64_t i) HWY_ATTR {
      if (i + rows <= j) return;
      Sums<T, rows, vectors> sums;
      sums.clear();
      MultiplyPanels(sums, at.tiles.y, length, i, at.tiles.x_columns + j * width, width);
      sums.store_rows(at.tiles.products + i * padded + j, padded, vectors * kLanesOf<T>);
    });
  });
}

// From scores and K: weights = G CB, d_scores += G Delta K, and the sums R and Kc.
template <class T>
void DecayGradients(const BackwardPlace<T>& at, const Steps<T>& steps) {
  const hn::ScalableTag<T> d;
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d)), padded = at.padded();
  const BackwardTiles<T>& tiles = at.tiles;
  std::fill_n(tiles.column_sums, padded, T(0));
  const DecayFactors<T> decays{steps.sums, tiles.decay_columns, tiles.decay_rows, padded};
  decays.compute();
  T d_diagonal = 0;
  for (std::int64_t i = 0; i < at.length(); ++i) {
    const std::int64_t line = i * padded;
    const auto row = hn::Set(d, static_cast<T>(i));
    auto row_sum = hn::Zero(d);
    std::int64_t j = 0;
    for (; j <= i; j += lanes) {
      const auto column = hn::Iota(d, static_cast<T>(j));
      const auto decay = decays.at(d, i, j);
      const auto score = hn::LoadU(d, at.group.scores + line + j);
      const auto product = hn::LoadU(d, tiles.products + line + j);
      const auto wanted = hn::Le(column, row);
      hn::StoreU(hn::IfThenElseZero(wanted, hn::Mul(decay, score)), d, tiles.weights + line + j);
      const auto d_score = hn::IfThenElseZero(
          wanted, hn::Mul(hn::Mul(decay, hn::LoadU(d, steps.delta + j)), product));
      T* total = tiles.d_scores + line + j;
      hn::StoreU(hn::Add(hn::LoadU(d, total), d_score), d, total);
      const auto omega = hn::IfThenElseZero(hn::Lt(column, row), hn::Mul(d_score, score));
      row_sum = hn::Add(row_sum, omega);
      T* column_sum = tiles.column_sums + j;
      hn::StoreU(hn::Add(hn::LoadU(d, column_sum), omega), d, column_sum);
    }
    // A block of rows of the transpose reads a little beyond the diagonal.
    const std::int64_t end = std::min(padded, i + 6);
    for (; j < end; j += lanes) hn::StoreU(hn::Zero(d), d, tiles.weights + line + j);
    tiles.row_sums[i] = hn::GetLane(hn::SumOfLanes(d, row_sum));
    d_diagonal += tiles.products[line + i];
  }
  at.sums[2] += d_diagonal;
}

// u and d_x of a tile, and what it adds to r and u . x.
template <int kRows, int kVectors, class T>
HWY_INLINE void InputBlock(const BackwardPlace<T>& at, std::int64_t j, std::int64_t p) {
  const BackwardTiles<T>& tiles = at.tiles;
  const SsdBackwardArgs<T>& args = at.args;
  const std::int64_t state = at.state(), length = at.length(), columns = at.width() - p;
  const std::int64_t x_row = args.x_strides.token, d_y_row = args.d_y_strides.token;
  FetchRows<kRows>(at.d_x(j) + p, args.d_x_strides.token, kRows);
  FetchRows<kRows>(at.next_x + j * x_row + p, x_row, at.next_rows - j);
  FetchRows<kRows>(at.next_d_y + j * d_y_row + p, d_y_row, at.next_rows - j);
  Sums<T, kRows, kVectors> u;
  u.clear();
  if (at.later) {
    u.multiply(at.group.b_rows + j * state, 1, kRows, at.d_state + p * state, state);
    u.scale_rows(tiles.leaving + j);
    u.add_dots(at.x(j) + p, x_row, columns, tiles.r + j);
  }
  // Row j of the transposed weights: i runs down from the diagonal.
  const T* y = tiles.y + p * length + j * kVectors * kLanesOf<T>;
  u.multiply(tiles.weights + j * at.padded() + j, 1, at.padded(), y, length - j);
  u.add_dots(at.x(j) + p, x_row, columns, tiles.u_dot_x + j);
  u.scale_rows(tiles.delta + j);
  u.add_scaled(y, args.d[at.head]);
  u.store_rows(at.d_x(j) + p, args.d_x_strides.token, columns);
}

template <class T>
void InputGradients(const BackwardPlace<T>& at) {
  const BackwardTiles<T>& tiles = at.tiles;
  for (T* sums : {tiles.r, tiles.u_dot_x}) std::fill_n(sums, at.length(), T(0));
  ForEachPanel<T>(at.width(), [&](auto vectors, std::int64_t p) HWY_ATTR {
    ForEachRowBlock(at.length(), [&](auto rows, std::int64_t j)
                                     HWY_ATTR { InputBlock<rows, vectors>(at, j, p); });
  });
  for (std::int64_t j = 0; j < at.length(); ++j) tiles.r[j] *= tiles.delta[j];
}

// The part of d_B that goes through the leaving state: d_b_columns += E (Delta exp(sigma - s) x)^T.
template <class T>
void LeavingGradients(const BackwardPlace<T>& at) {
  const BackwardTiles<T>& tiles = at.tiles;
  const std::int64_t width = at.width(), state = at.state();
  for (std::int64_t j = 0; j < at.padded(); ++j)
    tiles.factor[j] = tiles.delta[j] * tiles.leaving[j];
  ForEachPanel<T>(at.length(), [&](auto vectors, std::int64_t j) HWY_ATTR {
    ForEachRowBlock(state, [&](auto rows, std::int64_t n) HWY_ATTR {
      Sums<T, rows, vectors> sums;
      sums.clear();
      MultiplyPanels(sums, at.d_state, state, n, tiles.x_columns + j * width, width);
      sums.add_scaled_columns(tiles.factor + j,
                              tiles.d_b_columns + j * state + n * vectors * kLanesOf<T>);
    });
  });
}

// The part of d_C that goes through the entering state, and q from the same numbers.
template <class T>
void EnteringGradients(const BackwardPlace<T>& at) {
  const BackwardTiles<T>& tiles = at.tiles;
  const std::int64_t width = at.width(), state = at.state();
  ForEachPanel<T>(at.length(), [&](auto vectors, std::int64_t i) HWY_ATTR {
    ForEachRowBlock(state, [&](auto rows, std::int64_t n) HWY_ATTR {
      const std::int64_t place = i * state + n * vectors * kLanesOf<T>;
      Sums<T, rows, vectors> sums;
      sums.clear();
      sums.multiply(at.entering_state + n * width, width, 1, tiles.y_columns + i * width, width);
      sums.scale_columns(tiles.entering + i);
      sums.add_to(tiles.d_c_columns + place);
      sums.add_column_dots(tiles.c_columns + place, tiles.q + i);
    });
  });
}

// E' from E; returns exp(sigma) <E, H>.
template <class T>
T CarryGradient(const BackwardPlace<T>& at, T total) {
  const BackwardTiles<T>& tiles = at.tiles;
  const std::int64_t width = at.width(), state = at.state(), length = at.length();
  T through = 0;
  ForEachPanel<T>(width, [&](auto vectors, std::int64_t p) HWY_ATTR {
    ForEachRowBlock(state, [&](auto rows, std::int64_t n) HWY_ATTR {
      T* panel = at.d_state + p * state + n * vectors * kLanesOf<T>;
      Sums<T, rows, vectors> sums;
      if (at.later) {
        sums.load_scaled(panel, total);
        T dots[rows] = {};
        sums.add_dots(at.entering_state + n * width + p, width, width - p, dots);
        for (const T dot : dots) through += dot;
      } else {
        sums.clear();
      }
      sums.multiply(at.group.c_columns + n * length, 1, rows, tiles.y_entering + p * length,
                    length);
      sums.store_panel(panel);
    });
  });
  return through;
}

// d_l, d_Delta, d_dt and the sums of this head.
template <class T>
void StepGradients(const BackwardPlace<T>& at, const Steps<T>& steps, T through) {
  const BackwardTiles<T>& tiles = at.tiles;
  const SsdBackwardArgs<T>& args = at.args;
  const T a = -std::exp(args.a_log[at.head]);
  T* slopes = tiles.leaving;  // done with what it held
  for (std::int64_t k = 0; k < at.length(); ++k) {
    slopes[k] = args.dt_at(at.row, at.chunk.begin + k, at.head) + args.dt_bias[at.head];
  }
  TimeStepSlopes(slopes, at.length(), args.dt_min, args.dt_max);
  T before = 0, after = 0;
  for (std::int64_t j = 0; j < at.length(); ++j) {  // sum of r over earlier tokens, into factor
    tiles.factor[j] = before;
    before += tiles.r[j];
  }
  for (std::int64_t k = at.length() - 1; k >= 0; --k) {
    const std::int64_t t = at.chunk.begin + k;
    after += tiles.row_sums[k] - tiles.column_sums[k] + tiles.q[k];
    const T d_log = after + tiles.factor[k] + through;
    const T d_v = (tiles.u_dot_x[k] + a * d_log) * slopes[k];
    args.d_dt[at.row * args.d_dt_strides.batch + t * args.d_dt_strides.token + at.head] = d_v;
    at.sums[0] += steps.delta[k] * d_log;
    at.sums[1] += d_v;
  }
}

template <class T>
void BackwardHead(const BackwardPlace<T>& at) {
  const BackwardTiles<T>& tiles = at.tiles;
  Steps<T> steps{tiles.delta, tiles.sums, tiles.entering, tiles.leaving, 0};
  ComputeSteps<T>(at.args, at.chunk, at.row, at.head, at.padded(), steps);
  PackHead(at, steps);
  ComputeProducts(at);
  DecayGradients(at, steps);
  InputGradients(at);
  if (at.later) LeavingGradients(at);
  std::fill_n(tiles.q, at.padded(), T(0));
  T through = 0;
  if (at.chunk.continues) {
    EnteringGradients(at);
    through = CarryGradient(at, steps.total);
  }
  StepGradients(at, steps, through);
}

}  // namespace
}  // namespace peryton::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
