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

#include "kernels/ssd/backward_place-inl.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::cpu::HWY_NAMESPACE {
namespace {

// K where a tile touches j <= i.
template <class F, class T = typename F::Value>
void ComputeProducts(const BackwardPlace<F>& at, const TokenFactors<F>& with) {
  const std::int64_t length = at.length(), width = at.width(), padded = at.padded();
  ForEachPanel<T>(length, [&](auto vectors, std::int64_t j) HWY_ATTR {
    F::for_each_row_block(length, [&](auto rows, std::int64_t i) HWY_ATTR {
      if (i + rows <= j) return;
      Sums<T, rows, vectors> sums;
      at.factors.set_product_of_panels(sums, with.y_rows, length, i,
                                       with.x_columns + j * F::depth(width), width);
      sums.store_rows(at.tiles.products + i * padded + j, padded, vectors * kLanesOf<T>);
    });
  });
}

// From scores and K: weights = G CB, d_scores += G Delta K, and the sums R and Kc.
template <class F, class T = typename F::Value>
void DecayGradients(const BackwardPlace<F>& at, const Steps<T>& steps) {
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
    const std::int64_t end = F::weights_end(i, padded);
    for (; j < end; j += lanes) hn::StoreU(hn::Zero(d), d, tiles.weights + line + j);
    tiles.row_sums[i] = hn::GetLane(hn::SumOfLanes(d, row_sum));
    d_diagonal += tiles.products[line + i];
  }
  at.sums[2] += d_diagonal;
}

// What the products of d_x read: d_y, the weights and E.
template <class F>
struct InputFactors {
  const typename F::Element *y, *weights, *d_state;
};

// u and d_x of a tile, and what it adds to r and u . x.
template <int kRows, int kVectors, class F, class T = typename F::Value>
HWY_INLINE void InputBlock(const BackwardPlace<F>& at, const InputFactors<F>& with, std::int64_t j,
                           std::int64_t p) {
  const BackwardTiles<T>& tiles = at.tiles;
  const SsdBackwardArgs<T>& args = at.args;
  const std::int64_t state = at.state(), length = at.length(), columns = at.width() - p;
  const std::int64_t x_row = args.x_strides.token, d_y_row = args.d_y_strides.token;
  FetchRows<kRows, kVectors>(at.d_x(j) + p, args.d_x_strides.token, kRows);
  if (!at.chunk.continues) {  // else CarryGradient() does
    FetchRows<kRows, kVectors>(at.next_x + j * x_row + p, x_row, at.next_rows - j);
    FetchRows<kRows, kVectors>(at.next_d_y + j * d_y_row + p, d_y_row, at.next_rows - j);
  }
  Sums<T, kRows, kVectors> u;
  if (at.later) {
    at.factors.set_product(u,
                           at.factors.template left<kRows>(F::elements(at.group.b_rows), j, state),
                           with.d_state + p * F::depth(state), state);
    u.scale_rows(tiles.leaving + j);
    u.add_dots(at.x(j) + p, x_row, columns, tiles.r + j);
  } else {
    u.clear();
  }
  // Row j of the transposed weights: i runs down from the diagonal, and j is even.
  const std::int64_t line = kVectors * kLanesOf<T>, padded = at.padded(), first = F::depth(j);
  at.factors.add_product(u, {with.weights + first * padded + j, 1, padded},
                         with.y + p * F::depth(length) + first * line, length - j);
  u.add_dots(at.x(j) + p, x_row, columns, tiles.u_dot_x + j);
  u.scale_rows(tiles.delta + j);
  u.add_scaled(tiles.y + p * length + j * line, args.d[at.head]);
  u.store_rows(at.d_x(j) + p, args.d_x_strides.token, columns);
}

template <class F, class T = typename F::Value>
void InputGradients(const BackwardPlace<F>& at, const typename F::Element* y) {
  const BackwardTiles<T>& tiles = at.tiles;
  InputFactors<F> with{y, nullptr, nullptr};
  with.weights = at.factors.left_of_weights_transposed(tiles.weights, at.length(),
                                                       F::elements(tiles.weight_pairs));
  if (at.later) {
    with.d_state = at.factors.right_of_panels(at.d_state, at.state(), at.width(),
                                              F::elements(tiles.state_pairs));
  }
  for (T* sums : {tiles.r, tiles.u_dot_x}) std::fill_n(sums, at.length(), T(0));
  ForEachPanel<T>(at.width(), [&](auto vectors, std::int64_t p) HWY_ATTR {
    F::for_each_row_block(at.length(), [&](auto rows, std::int64_t j)
                                           HWY_ATTR { InputBlock<rows, vectors>(at, with, j, p); });
  });
  for (std::int64_t j = 0; j < at.length(); ++j) tiles.r[j] *= tiles.delta[j];
}

// The part of d_B that goes through the leaving state: d_b_columns += E (Delta exp(sigma - s) x)^T.
template <class F, class T = typename F::Value>
void LeavingGradients(const BackwardPlace<F>& at, const typename F::Element* x_columns) {
  const BackwardTiles<T>& tiles = at.tiles;
  const std::int64_t width = at.width(), state = at.state(), length = at.length();
  const auto* d_state =
      at.factors.left_of_panels(at.d_state, state, width, F::elements(tiles.state_pairs));
  for (std::int64_t j = 0; j < at.padded(); ++j)
    tiles.factor[j] = tiles.delta[j] * tiles.leaving[j];
  if constexpr (F::kRounds) {  // the factor goes with x, so that the product adds to the sums
                               // itself
    at.factors.pack_right_transposed(at.x(0), at.args.x_strides.token, length, width,
                                     F::elements(tiles.x_columns), F::elements(tiles.token_pairs),
                                     tiles.factor);
  }
  ForEachPanel<T>(length, [&](auto vectors, std::int64_t j) HWY_ATTR {
    F::for_each_row_block(state, [&](auto rows, std::int64_t n) HWY_ATTR {
      T* total = tiles.d_b_columns + j * state + n * vectors * kLanesOf<T>;
      if (j == 0 && at.chunk.continues) FetchLines(at.entering_state + n * width, rows * width);
      const auto* right = x_columns + j * F::depth(width);
      if constexpr (F::kRounds) {
        at.factors.template add_to_panel<rows, vectors>(
            total, at.factors.template left<rows>(d_state, n, width), right, width);
      } else {
        Sums<T, rows, vectors> sums;
        at.factors.set_product_of_panels(sums, d_state, state, n, right, width);
        sums.add_scaled_columns(tiles.factor + j, total);
      }
    });
  });
}

// The part of d_C that goes through the entering state, and q from the same numbers.
template <class F, class T = typename F::Value>
void EnteringGradients(const BackwardPlace<F>& at, const typename F::Element* y_columns) {
  const BackwardTiles<T>& tiles = at.tiles;
  const std::int64_t width = at.width(), state = at.state(), row = F::depth(width);
  const auto* entering =
      at.factors.left_of_rows(at.entering_state, state, width, F::elements(tiles.state_pairs));
  ForEachPanel<T>(at.length(), [&](auto vectors, std::int64_t i) HWY_ATTR {
    F::for_each_row_block(state, [&](auto rows, std::int64_t n) HWY_ATTR {
      const std::int64_t place = i * state + n * vectors * kLanesOf<T>;
      Sums<T, rows, vectors> sums;
      at.factors.set_product(sums, {entering + n * row, row, 1}, y_columns + i * row, width);
      sums.scale_columns(tiles.entering + i);
      sums.add_to(tiles.d_c_columns + place);
      sums.add_column_dots(tiles.c_columns + place, tiles.q + i);
    });
  });
}

// E' from E; returns exp(sigma) <E, H>.
template <class F, class T = typename F::Value>
T CarryGradient(const BackwardPlace<F>& at, const typename F::Element* y_entering, T total) {
  const std::int64_t width = at.width(), state = at.state(), length = at.length();
  T through = 0;
  ForEachPanel<T>(width, [&](auto vectors, std::int64_t p) HWY_ATTR {
    F::for_each_row_block(state, [&](auto rows, std::int64_t n) HWY_ATTR {
      T* panel = at.d_state + p * state + n * vectors * kLanesOf<T>;
      const auto left = at.factors.template left_transposed<rows>(F::elements(at.group.c_columns),
                                                                  n, state, length);
      const auto* right = y_entering + p * F::depth(length);
      const std::int64_t x_row = at.args.x_strides.token, d_y_row = at.args.d_y_strides.token;
      FetchPart<rows, vectors>(at.next_x + p, x_row, at.next_rows, n, state);
      FetchPart<rows, vectors>(at.next_d_y + p, d_y_row, at.next_rows, n, state);
      Sums<T, rows, vectors> sums;
      if (at.later) {
        sums.load_scaled(panel, total);
        T dots[rows] = {};
        sums.add_dots(at.entering_state + n * width + p, width, width - p, dots);
        for (const T dot : dots) through += dot;
      }
      at.factors.update(sums, panel, at.later ? &total : nullptr, left, right, length);
    });
  });
  return through;
}

// d_l, d_Delta, d_dt and the sums of this head.
template <class F, class T = typename F::Value>
void StepGradients(const BackwardPlace<F>& at, const Steps<T>& steps, T through) {
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

template <class F, class T = typename F::Value>
void BackwardHead(const BackwardPlace<F>& at) {
  const BackwardTiles<T>& tiles = at.tiles;
  Steps<T> steps{tiles.delta, tiles.sums, tiles.entering, tiles.leaving, 0};
  ComputeSteps<T>(at.args, at.chunk, at.row, at.head, at.padded(), steps);
  const TokenFactors<F> tokens = PackHead(at, steps);
  ComputeProducts(at, tokens);
  DecayGradients(at, steps);
  InputGradients(at, tokens.y);
  if (at.later) LeavingGradients(at, tokens.x_columns);
  std::fill_n(tiles.q, at.padded(), T(0));
  T through = 0;
  if (at.chunk.continues) {
    EnteringGradients(at, tokens.y_columns);
    through = CarryGradient(at, tokens.y_entering, steps.total);
  }
  StepGradients(at, steps, through);
}

}  // namespace
}  // namespace peryton::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
