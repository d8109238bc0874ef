// Prepares what the heads of a group share.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/ssd/group_parts.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/ssd/group_parts_cpu.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
// After highway.h
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

void PrepareFloat(const SsdArgs<float>& args, const SsdChunk& chunk, std::int64_t row,
                  std::int64_t group, const GroupChunk<float>& out, float* columns) {
  PrepareGroup(args, chunk, row, group, out, columns);
}
void PrepareDouble(const SsdArgs<double>& args, const SsdChunk& chunk, std::int64_t row,
                   std::int64_t group, const GroupChunk<double>& out, double* columns) {
  PrepareGroup(args, chunk, row, group, out, columns);
}

}  // namespace
}  // namespace peryton::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace peryton::kernels::cpu {

HWY_EXPORT(PrepareFloat);
HWY_EXPORT(PrepareDouble);

namespace {

void run_prepare(const SsdArgs<float>& args, const SsdChunk& chunk, std::int64_t row,
                 std::int64_t group, const GroupChunk<float>& out, float* columns) {
  HWY_DYNAMIC_DISPATCH(PrepareFloat)(args, chunk, row, group, out, columns);
}
void run_prepare(const SsdArgs<double>& args, const SsdChunk& chunk, std::int64_t row,
                 std::int64_t group, const GroupChunk<double>& out, double* columns) {
  HWY_DYNAMIC_DISPATCH(PrepareDouble)(args, chunk, row, group, out, columns);
}

std::int64_t row_of_chunk(const SsdChunkTable& table, std::int64_t index) {
  std::int64_t row = 0;
  while (table.row_begin[row + 1] <= index) ++row;
  return row;
}

}  // namespace

template <class T>
void prepare_groups(const SsdArgs<T>& args, const SsdChunkTable& table, const GroupParts<T>& parts,
                    FunctionRef<T*(int worker)> columns_of, const Context& context) {
  const std::int64_t groups = args.shape.groups;
  parallel_for_worker(
      context, table.row_begin[args.shape.batch] * groups, [&](std::int64_t task, int worker) {
        const std::int64_t index = task / groups, group = task % groups;
        const std::int64_t row = row_of_chunk(table, index);
        const SsdChunk& chunk = table.chunks[index];
        run_prepare(args, chunk, row, group, parts.at(row, group, chunk.begin), columns_of(worker));
      });
}

template void prepare_groups<float>(const SsdArgs<float>&, const SsdChunkTable&,
                                    const GroupParts<float>&, FunctionRef<float*(int)>,
                                    const Context&);
template void prepare_groups<double>(const SsdArgs<double>&, const SsdChunkTable&,
                                     const GroupParts<double>&, FunctionRef<double*(int)>,
                                     const Context&);

}  // namespace peryton::kernels::cpu
#endif  // HWY_ONCE
