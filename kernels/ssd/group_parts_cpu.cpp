// Prepares what the heads of a group share.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/ssd/group_parts.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/ssd/group_parts_cpu.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
// After highway.h
#include "kernels/ssd/pair_factors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::cpu::HWY_NAMESPACE {
namespace {

// result[i, j] = left_i . right_j wherever a tile touches j <= i; `right` in panels of length
// columns.
template <class F, class T = typename F::Value>
void MultiplyLower(const F& factors, const typename F::Element* left,
                   const typename F::Element* right, std::int64_t length, std::int64_t count,
                   T* result, std::int64_t result_row) {
  ForEachPanel<T>(length, [&](auto vectors, std::int64_t j) HWY_ATTR {
    F::for_each_row_block(length, [&](auto rows, std::int64_t i) HWY_ATTR {
      if (i + rows <= j) return;
      Sums<T, rows, vectors> sums;
      factors.set_product(sums, factors.template left<rows>(left, i, count),
                          right + j * F::depth(count), count);
      sums.store_rows(result + i * result_row + j, result_row, vectors * kLanesOf<T>);
    });
  });
}

// `columns` holds (N + 1) * padded L elements.
template <class F, class T = typename F::Value>
void PrepareGroup(const F& factors, const SsdArgs<T>& args, const SsdChunk& chunk, std::int64_t row,
                  std::int64_t group, const GroupChunk<T>& out, T* columns) {
  const std::int64_t state = args.shape.state, length = chunk.length;
  const T *b = args.b_at(row, chunk.begin, group), *c = args.c_at(row, chunk.begin, group);
  const std::int64_t b_row = args.b_strides.token, c_row = args.c_strides.token;
  const auto rows_of = [&](const T* in, std::int64_t in_row, T* to) HWY_ATTR {
    if (to != nullptr) factors.pack_left(in, in_row, length, state, F::elements(to));
  };
  const auto columns_of = [&](const T* in, std::int64_t in_row, T* to) HWY_ATTR {
    if (to != nullptr) factors.pack_left_transposed(in, in_row, state, length, F::elements(to));
  };
  rows_of(c, c_row, out.c_rows);
  columns_of(b, b_row, out.b_columns);
  rows_of(b, b_row, out.b_rows);
  columns_of(c, c_row, out.c_columns);
  auto* right = F::elements(columns);
  factors.pack_right_transposed(b, b_row, length, state, right,
                                right + ssd_padded(length) * F::depth(state));
  MultiplyLower(factors, F::elements(out.c_rows), right, length, state, out.scores,
                ssd_padded(length));
}

void PrepareFloat(const SsdArgs<float>& args, const SsdChunk& chunk, std::int64_t row,
                  std::int64_t group, const GroupChunk<float>& out, float* columns) {
  PrepareGroup(PlainFactors<float>(), args, chunk, row, group, out, columns);
}
void PrepareDouble(const SsdArgs<double>& args, const SsdChunk& chunk, std::int64_t row,
                   std::int64_t group, const GroupChunk<double>& out, double* columns) {
  PrepareGroup(PlainFactors<double>(), args, chunk, row, group, out, columns);
}
void PreparePairs(const PairTiles& tiles, const SsdArgs<float>& args, const SsdChunk& chunk,
                  std::int64_t row, std::int64_t group, const GroupChunk<float>& out,
                  float* columns) {
  PrepareGroup(PairFactors{tiles}, args, chunk, row, group, out, columns);
}

}  // namespace
}  // namespace peryton::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace peryton::kernels::cpu {

HWY_EXPORT(PrepareFloat);
HWY_EXPORT(PrepareDouble);
HWY_EXPORT(PreparePairs);

namespace {

void run_prepare(const PairTiles* pairs, const SsdArgs<float>& args, const SsdChunk& chunk,
                 std::int64_t row, std::int64_t group, const GroupChunk<float>& out,
                 float* columns) {
  if (pairs != nullptr) {
    HWY_DYNAMIC_DISPATCH(PreparePairs)(*pairs, args, chunk, row, group, out, columns);
    return;
  }
  HWY_DYNAMIC_DISPATCH(PrepareFloat)(args, chunk, row, group, out, columns);
}
void run_prepare(const PairTiles* /*pairs*/, const SsdArgs<double>& args, const SsdChunk& chunk,
                 std::int64_t row, std::int64_t group, const GroupChunk<double>& out,
                 double* columns) {
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
                    const PairTiles* pairs, FunctionRef<T*(int worker)> columns_of,
                    const Context& context) {
  const std::int64_t groups = args.shape.groups;
  parallel_for_worker(context, table.row_begin[args.shape.batch] * groups,
                      [&](std::int64_t task, int worker) {
                        const std::int64_t index = task / groups, group = task % groups;
                        const std::int64_t row = row_of_chunk(table, index);
                        const SsdChunk& chunk = table.chunks[index];
                        run_prepare(pairs, args, chunk, row, group,
                                    parts.at(row, group, chunk.begin), columns_of(worker));
                      });
}

template void prepare_groups<float>(const SsdArgs<float>&, const SsdChunkTable&,
                                    const GroupParts<float>&, const PairTiles*,
                                    FunctionRef<float*(int)>, const Context&);
template void prepare_groups<double>(const SsdArgs<double>&, const SsdChunkTable&,
                                     const GroupParts<double>&, const PairTiles*,
                                     FunctionRef<double*(int)>, const Context&);

}  // namespace peryton::kernels::cpu
#endif  // HWY_ONCE
