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

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::cpu::HWY_NAMESPACE {
namespace {

// Where one head of one chunk works.
template <class T>
struct HeadPlace {
  const SsdBackwardArgs<T>& args;
  const SsdChunk& chunk;
  const HeadBlock& block;
  std::int64_t head;
  const T* entering_state;  // H; read only where the chunk continues
  T* d_state;               // E, becomes E'
  bool later;               // E is there (else zero)
  T* sums;                  // d_A, d_dt_bias, d_D of this row and head: added to
  const BackwardTiles<T>& tiles;

  std::int64_t width() const { return args.shape.head_dim; }
  std::int64_t length() const { return chunk.length; }
  std::int64_t padded() const { return ssd_padded(chunk.length); }
  const T* x(std::int64_t j) const { return args.x_at(block.row, chunk.begin + j, head); }
  const T* d_y(std::int64_t i) const {
    return args.d_y + block.row * args.d_y_strides.batch +
           (chunk.begin + i) * args.d_y_strides.token + head * width();
  }
  T* d_x(std::int64_t j) const {
    return args.d_x + block.row * args.d_x_strides.batch +
           (chunk.begin + j) * args.d_x_strides.token + head * width();
  }
  LeftTile<T> b() const { return {tiles.b_rows, args.shape.state, 1}; }
};

// From scores and K: weights = G CB, d_scores += G Delta K, and the sums R and Kc.
template <class T>
void DecayGradients(const HeadPlace<T>& at, const Steps<T>& steps) {
  const hn::ScalableTag<T> d;
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d)), padded = at.padded();
  const BackwardTiles<T>& tiles = at.tiles;
  std::fill_n(tiles.column_sums, padded, T(0));
  T d_diagonal = 0;
  for (std::int64_t i = 0; i < at.length(); ++i) {
    const std::int64_t line = i * padded;
    const auto sum = hn::Set(d, steps.sums[i]), row = hn::Set(d, static_cast<T>(i));
    auto row_sum = hn::Zero(d);
    std::int64_t j = 0;
    for (; j <= i; j += lanes) {
      const auto column = hn::Iota(d, static_cast<T>(j));
      const auto exponent = hn::Min(hn::Sub(sum, hn::LoadU(d, steps.sums + j)), hn::Zero(d));
      const auto decay = hn::Exp(d, exponent);
      const auto score = hn::LoadU(d, tiles.scores + line + j);
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
    // Products of a few rows at once read a little beyond the diagonal.
    T* beyond = tiles.weights + line;
    std::fill(beyond + j, beyond + std::max(j, padded), T(0));
    tiles.row_sums[i] = hn::GetLane(hn::SumOfLanes(d, row_sum));
    d_diagonal += tiles.products[line + i];
  }
  at.sums[2] += d_diagonal;
}

// u, d_x, r and u . x.
template <class T>
void InputGradients(const HeadPlace<T>& at, const Steps<T>& steps) {
  const BackwardTiles<T>& tiles = at.tiles;
  const std::int64_t width = at.width(), length = at.length();
  if (at.later) {
    MultiplyTiles(at.b(), at.d_state, width, tiles.u, width, length, width, at.args.shape.state,
                  false);
  }
  for (std::int64_t j = 0; j < length; ++j) {
    T* u = tiles.u + j * width;
    if (at.later) Scale(u, steps.leaving[j], u, width);
    tiles.r[j] = at.later ? steps.delta[j] * Dot(u, at.x(j), width) : T(0);
  }
  // Row j of the transposed weights: i runs down from the diagonal.
  MultiplyTiles({tiles.weights, 1, at.padded()}, tiles.d_y, width, tiles.u, width, length, width,
                length, at.later, Part::kUpperLeft);
  for (std::int64_t j = 0; j < length; ++j) {
    const T* u = tiles.u + j * width;
    tiles.u_dot_x[j] = Dot(u, at.x(j), width);
    Scale(u, steps.delta[j], at.d_x(j), width);
    AddScaled(tiles.d_y + j * width, at.args.d[at.head], at.d_x(j), width);
  }
}

// columns[p, j] *= factor[j]
template <class T>
void ScaleColumns(T* columns, const T* factor, std::int64_t rows, std::int64_t padded) {
  for (std::int64_t p = 0; p < rows; ++p) {
    ForEachVector<T>(padded, [&](auto d, std::int64_t j) HWY_ATTR {
      T* at = columns + p * padded + j;
      hn::StoreU(hn::Mul(hn::LoadU(d, at), hn::LoadU(d, factor + j)), d, at);
    });
  }
}

// The part of d_B that goes through the leaving state: d_b_columns += E (Delta exp(sigma - s) x)^T.
template <class T>
void LeavingGradients(const HeadPlace<T>& at, const Steps<T>& steps) {
  const BackwardTiles<T>& tiles = at.tiles;
  const std::int64_t padded = at.padded();
  for (std::int64_t j = 0; j < padded; ++j) tiles.factor[j] = steps.delta[j] * steps.leaving[j];
  ScaleColumns(tiles.x_columns, tiles.factor, at.width(), padded);
  MultiplyTiles({at.d_state, at.width(), 1}, tiles.x_columns, padded, tiles.d_b_columns, padded,
                at.args.shape.state, padded, at.width(), true);
}

// The part of d_C that goes through the entering state, and q from the same numbers.
template <class T>
void EnteringGradients(const HeadPlace<T>& at, const Steps<T>& steps) {
  const BackwardTiles<T>& tiles = at.tiles;
  const std::int64_t padded = at.padded(), width = at.width(), state = at.args.shape.state;
  Transpose(tiles.d_y, width, at.length(), width, tiles.y_columns, padded);
  ScaleColumns(tiles.y_columns, steps.entering, width, padded);
  MultiplyTiles({at.entering_state, width, 1}, tiles.y_columns, padded, tiles.part, padded, state,
                padded, width, false);
  for (std::int64_t n = 0; n < state; ++n) {
    const T *part = tiles.part + n * padded, *c = tiles.c_columns + n * padded;
    T* total = tiles.d_c_columns + n * padded;
    ForEachVector<T>(padded, [&](auto d, std::int64_t i) HWY_ATTR {
      const auto value = hn::LoadU(d, part + i);
      hn::StoreU(hn::Add(hn::LoadU(d, total + i), value), d, total + i);
      const auto q = hn::MulAdd(value, hn::LoadU(d, c + i), hn::LoadU(d, tiles.q + i));
      hn::StoreU(q, d, tiles.q + i);
    });
  }
}

// E' from E.
template <class T>
void CarryGradient(const HeadPlace<T>& at, const Steps<T>& steps) {
  const BackwardTiles<T>& tiles = at.tiles;
  const std::int64_t width = at.width(), padded = at.padded();
  for (std::int64_t i = 0; i < at.length(); ++i) {
    Scale(tiles.d_y + i * width, steps.entering[i], tiles.d_y + i * width, width);
  }
  if (at.later) Scale(at.d_state, steps.total, at.d_state, at.args.shape.state_elements());
  MultiplyTiles({tiles.c_columns, padded, 1}, tiles.d_y, width, at.d_state, width,
                at.args.shape.state, width, at.length(), at.later);
}

// d_l, d_Delta, d_dt and the sums of this head.
template <class T>
void StepGradients(const HeadPlace<T>& at, const Steps<T>& steps, T through) {
  const BackwardTiles<T>& tiles = at.tiles;
  const SsdBackwardArgs<T>& args = at.args;
  const T a = -std::exp(args.a_log[at.head]);
  T before = 0, after = 0;
  for (std::int64_t j = 0; j < at.length(); ++j) {  // sum of r over earlier tokens, into factor
    tiles.factor[j] = before;
    before += tiles.r[j];
  }
  for (std::int64_t k = at.length() - 1; k >= 0; --k) {
    const std::int64_t t = at.chunk.begin + k;
    after += tiles.row_sums[k] - tiles.column_sums[k] + tiles.q[k];
    const T d_log = after + tiles.factor[k] + through;
    const T v = args.dt_at(at.block.row, t, at.head) + args.dt_bias[at.head];
    const T d_v = (tiles.u_dot_x[k] + a * d_log) * time_step_slope(v, args.dt_min, args.dt_max);
    args.d_dt[at.block.row * args.d_dt_strides.batch + t * args.d_dt_strides.token + at.head] = d_v;
    at.sums[0] += steps.delta[k] * d_log;
    at.sums[1] += d_v;
  }
}

template <class T>
void BackwardHead(const HeadPlace<T>& at) {
  const BackwardTiles<T>& tiles = at.tiles;
  const SsdArgs<T>& args = at.args;
  const std::int64_t width = at.width(), padded = at.padded(), length = at.length();
  Steps<T> steps{tiles.delta, tiles.sums, tiles.entering, tiles.leaving, 0};
  ComputeSteps<T>(args, at.chunk, at.block.row, at.head, padded, steps);
  Transpose(at.x(0), args.x_strides.token, length, width, tiles.x_columns, padded);
  for (std::int64_t i = 0; i < length; ++i) std::copy_n(at.d_y(i), width, tiles.d_y + i * width);
  MultiplyTiles({tiles.d_y, width, 1}, tiles.x_columns, padded, tiles.products, padded, length,
                padded, width, false, Part::kLowerResult);
  DecayGradients(at, steps);
  InputGradients(at, steps);
  if (at.later) LeavingGradients(at, steps);
  std::fill_n(tiles.q, padded, T(0));
  T through = 0;
  if (at.chunk.continues) {
    EnteringGradients(at, steps);
    if (at.later) {
      through = steps.total * Dot(at.d_state, at.entering_state, args.shape.state_elements());
    }
    CarryGradient(at, steps);
  }
  StepGradients(at, steps, through);
}

}  // namespace
}  // namespace peryton::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
