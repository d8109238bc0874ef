// Prepares what the heads of a group share in one chunk.
// SPDX-License-Identifier: Apache-2.0
#if defined(PERYTON_KERNELS_SSD_GROUP_PARTS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PERYTON_KERNELS_SSD_GROUP_PARTS_INL_H_
#undef PERYTON_KERNELS_SSD_GROUP_PARTS_INL_H_
#else
#define PERYTON_KERNELS_SSD_GROUP_PARTS_INL_H_
#endif

#include "kernels/ssd/group_parts.h"
#include "kernels/ssd/panel_math-inl.h"
#include "kernels/ssd/panel_packing-inl.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::cpu::HWY_NAMESPACE {
namespace {

// result[i, j] = left_i . right_j wherever a tile touches j <= i; `left` by blocks of rows,
// `right` in panels of length columns.
template <class T>
void MultiplyLower(const T* left, const T* right, std::int64_t length, std::int64_t depth,
                   T* result, std::int64_t result_row) {
  ForEachPanel<T>(length, [&](auto vectors, std::int64_t j) HWY_ATTR {
    ForEachRowBlock(length, [&](auto rows, std::int64_t i) HWY_ATTR {
      if (i + rows <= j) return;
      Sums<T, rows, vectors> sums;
      sums.clear();
      sums.multiply(left + i * depth, 1, rows, right + j * depth, depth);
      sums.store_rows(result + i * result_row + j, result_row, vectors * kLanesOf<T>);
    });
  });
}

// `columns` holds N * padded L elements.
template <class T>
void PrepareGroup(const SsdArgs<T>& args, const SsdChunk& chunk, std::int64_t row,
                  std::int64_t group, const GroupChunk<T>& out, T* columns) {
  const std::int64_t state = args.shape.state, length = chunk.length;
  const T *b = args.b_at(row, chunk.begin, group), *c = args.c_at(row, chunk.begin, group);
  const std::int64_t b_row = args.b_strides.token, c_row = args.c_strides.token;
  PackLeft(c, c_row, length, state, out.c_rows);
  PackLeftTransposed(b, b_row, state, length, out.b_columns);
  if (out.b_rows != nullptr) PackLeft(b, b_row, length, state, out.b_rows);
  if (out.c_columns != nullptr) PackLeftTransposed(c, c_row, state, length, out.c_columns);
  PackTransposed(b, b_row, length, state, columns);
  MultiplyLower(out.c_rows, columns, length, state, out.scores, ssd_padded(length));
}

}  // namespace
}  // namespace peryton::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
