// What the gradients of one head in one chunk work on, and its tokens as factors of products.
// SPDX-License-Identifier: Apache-2.0
#if defined(PERYTON_KERNELS_SSD_BACKWARD_PLACE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PERYTON_KERNELS_SSD_BACKWARD_PLACE_INL_H_
#undef PERYTON_KERNELS_SSD_BACKWARD_PLACE_INL_H_
#else
#define PERYTON_KERNELS_SSD_BACKWARD_PLACE_INL_H_
#endif

#include "kernels/ssd/backward_tiles.h"
#include "kernels/ssd/chunk_parts-inl.h"
#include "kernels/ssd/factors-inl.h"
#include "kernels/ssd/group_parts.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::cpu::HWY_NAMESPACE {
namespace {

// Where one head of one chunk works; the products read F.
template <class F>
struct BackwardPlace {
  using T = typename F::Value;

  const F& factors;
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

// What products read of x and d_y, and of d_y times what has entered with the chunk.
template <class F>
struct TokenFactors {
  const typename F::Element *x_columns, *y_rows, *y, *y_columns, *y_entering;
};

template <class F, class T = typename F::Value>
TokenFactors<F> PackHead(const BackwardPlace<F>& at, const Steps<T>& steps) {
  const BackwardTiles<T>& tiles = at.tiles;
  const F& factors = at.factors;
  const std::int64_t length = at.length(), width = at.width(), y_row = at.args.d_y_strides.token;
  auto* const scratch = F::elements(tiles.token_pairs);
  auto *const x_columns = F::elements(tiles.x_columns), *const y_columns =
                                                            F::elements(tiles.y_columns);
  auto* const y_entering = F::elements(tiles.y_entering);
  factors.pack_right_transposed(at.x(0), at.args.x_strides.token, length, width, x_columns,
                                scratch);
  PackPanels(at.d_y(0), y_row, length, width, tiles.y);
  const auto* y_rows = factors.left_of_panels(tiles.y, length, width, scratch);
  if (at.chunk.continues) {
    factors.pack_right_of_left(at.d_y(0), y_row, y_rows, length, width, y_columns);
    factors.scale_panels(tiles.y, length, width, steps.entering, y_entering);
  }
  return {x_columns, y_rows,
          factors.right_of_panels(tiles.y, length, width, F::elements(tiles.y_pairs)), y_columns,
          y_entering};
}

}  // namespace
}  // namespace peryton::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
