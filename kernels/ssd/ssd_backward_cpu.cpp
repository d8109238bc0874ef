// Chunked backward. A task owns a few heads of one group in one row and walks the chunks in
// reverse; what the heads of a group share (d_B, d_C) is summed per task and then over tasks in a
// fixed order.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/common/argument_error.h"
#include "kernels/ssd/backward_tiles.h"
#include "kernels/ssd/group_parts.h"
#include "kernels/ssd/ssd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/ssd/ssd_backward_cpu.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
// After highway.h
#include "kernels/ssd/backward_head-inl.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::cpu::HWY_NAMESPACE {
namespace {

// out = columns^T: `columns` lies in panels of [state, rows].
template <class T>
void StoreTransposed(const T* columns, std::int64_t rows, std::int64_t state, T* out,
                     std::int64_t out_row) {
  ForEachPanel<T>(rows, [&](auto vectors, std::int64_t first) HWY_ATTR {
    const std::int64_t line = vectors * kLanesOf<T>;
    Transpose(columns + first * state, line, state, std::min(line, rows - first),
              out + first * out_row, out_row);
  });
}

// total += left right[first of a panel.. or up to its last]: panels of [state, L].
template <class T>
void AddGroupProducts(const T* left, const T* right, bool upper, std::int64_t state,
                      std::int64_t length, T* total) {
  ForEachPanel<T>(length, [&](auto vectors, std::int64_t j) HWY_ATTR {
    const std::int64_t line = vectors * kLanesOf<T>;
    const std::int64_t first = upper ? j : 0, last = upper ? length : std::min(length, j + line);
    ForEachRowBlock(state, [&](auto rows, std::int64_t n) HWY_ATTR {
      Sums<T, rows, vectors> sums;
      sums.clear();
      sums.multiply(left + n * length + first * rows, 1, rows, right + j * length + first * line,
                    last - first);
      sums.add_to(total + j * state + n * line);
    });
  });
}

// d_C = d_CB B and d_B = d_CB^T C of the chunk, with what came through the states.
template <class T>
void StoreGroupGradients(const SsdBackwardArgs<T>& args, const SsdChunk& chunk,
                         const HeadBlock& block, const GroupChunk<T>& group,
                         const BackwardTiles<T>& tiles, const BackwardPartials<T>& partials) {
  const SsdShape& shape = args.shape;
  const std::int64_t state = shape.state, padded = ssd_padded(chunk.length);
  const std::int64_t row = shape.groups * state, length = chunk.length;
  const std::int64_t offset =
      block.index * partials.block_elements +
      ((block.row * shape.tokens + chunk.begin) * shape.groups + block.group) * state;
  T *scores = tiles.products, *transposed = tiles.weights;  // done with what they held
  PackPanels(tiles.d_scores, padded, length, length, scores);
  PackTransposed(tiles.d_scores, padded, length, length, transposed);
  AddGroupProducts(group.c_columns, scores, true, state, length, tiles.d_b_columns);
  AddGroupProducts(group.b_columns, transposed, false, state, length, tiles.d_c_columns);
  StoreTransposed(tiles.d_b_columns, length, state, partials.d_b + offset, row);
  StoreTransposed(tiles.d_c_columns, length, state, partials.d_c + offset, row);
}

template <class T>
void StoreInitialGradient(const SsdBackwardArgs<T>& args, const HeadBlock& block, bool reached,
                          const BackwardTiles<T>& tiles) {
  if (args.d_initial_state == nullptr) return;
  const std::int64_t size = args.shape.state_elements(), width = args.shape.head_dim;
  T* target = args.d_initial_state + (block.row * args.shape.heads + block.first_head) * size;
  if (!reached) std::fill_n(target, block.heads * size, T(0));
  for (std::int64_t h = 0; reached && h < block.heads; ++h) {
    UnpackPanels(tiles.d_states + h * tiles.state_elements, args.shape.state, width,
                 target + h * size, width);
  }
}

template <class T>
void BackwardTask(const SsdBackwardArgs<T>& args, const SsdChunkTable& table,
                  const GroupParts<T>& parts, const BackwardPartials<T>& partials,
                  const BackwardTiles<T>& tiles, std::int64_t task) {
  const SsdShape& shape = args.shape;
  const std::int64_t size = shape.state_elements(), state = shape.state, width = shape.head_dim;
  const HeadBlock block = FindHeadBlock(shape, task);
  const std::int64_t first = block.row * shape.heads + block.first_head;
  std::fill_n(partials.heads + first * 3, block.heads * 3, T(0));
  bool later = args.d_final_state != nullptr;
  for (std::int64_t h = 0; later && h < block.heads; ++h) {
    PackPanels(args.d_final_state + (first + h) * size, width, state, width,
               tiles.d_states + h * tiles.state_elements);
  }
  const std::int64_t begin = table.row_begin[block.row];
  for (std::int64_t i = table.row_begin[block.row + 1] - 1; i >= begin; --i) {
    const SsdChunk& chunk = table.chunks[i];
    const std::int64_t padded = ssd_padded(chunk.length);
    const GroupChunk<T> group = parts.at(block.row, block.group, chunk.begin);
    PackTransposed(args.c_at(block.row, chunk.begin, block.group), args.c_strides.token,
                   chunk.length, state, tiles.c_columns);
    std::fill_n(tiles.d_scores, padded * padded, T(0));
    std::fill_n(tiles.d_b_columns, state * padded, T(0));
    std::fill_n(tiles.d_c_columns, state * padded, T(0));
    for (std::int64_t h = 0; h < block.heads; ++h) {
      const std::int64_t head = block.first_head + h;
      const bool last = h + 1 == block.heads;
      const SsdChunk& next = last && i > begin ? table.chunks[i - 1] : chunk;
      const std::int64_t next_head = block.first_head + (last ? 0 : h + 1);
      const T* next_d_y = args.d_y + block.row * args.d_y_strides.batch +
                          next.begin * args.d_y_strides.token + next_head * width;
      BackwardHead<T>(
          {args, chunk, block.row, head, group, args.chunk_states + (i * shape.heads + head) * size,
           tiles.d_states + h * tiles.state_elements, later, partials.heads + (first + h) * 3,
           args.x_at(block.row, next.begin, next_head), next_d_y, next.length, tiles});
    }
    StoreGroupGradients(args, chunk, block, group, tiles, partials);
    later = chunk.continues;
  }
  StoreInitialGradient(args, block, later, tiles);
}

void BackwardFloat(const SsdBackwardArgs<float>& args, const SsdChunkTable& table,
                   const GroupParts<float>& parts, const BackwardPartials<float>& partials,
                   const BackwardTiles<float>& tiles, std::int64_t task) {
  BackwardTask(args, table, parts, partials, tiles, task);
}
void BackwardDouble(const SsdBackwardArgs<double>& args, const SsdChunkTable& table,
                    const GroupParts<double>& parts, const BackwardPartials<double>& partials,
                    const BackwardTiles<double>& tiles, std::int64_t task) {
  BackwardTask(args, table, parts, partials, tiles, task);
}

}  // namespace
}  // namespace peryton::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace peryton::kernels {
namespace cpu {

HWY_EXPORT(BackwardFloat);
HWY_EXPORT(BackwardDouble);

namespace {

void run_task(const SsdBackwardArgs<float>& args, const SsdChunkTable& table,
              const GroupParts<float>& parts, const BackwardPartials<float>& partials,
              const BackwardTiles<float>& tiles, std::int64_t task) {
  HWY_DYNAMIC_DISPATCH(BackwardFloat)(args, table, parts, partials, tiles, task);
}
void run_task(const SsdBackwardArgs<double>& args, const SsdChunkTable& table,
              const GroupParts<double>& parts, const BackwardPartials<double>& partials,
              const BackwardTiles<double>& tiles, std::int64_t task) {
  HWY_DYNAMIC_DISPATCH(BackwardDouble)(args, table, parts, partials, tiles, task);
}

// d_B and d_C of one token: the sum over head blocks, in order.
template <class T>
void reduce_token(const SsdBackwardArgs<T>& args, const BackwardPartials<T>& partials,
                  std::int64_t token) {
  const SsdShape& shape = args.shape;
  const std::int64_t row = token / shape.tokens, t = token % shape.tokens;
  const std::int64_t count = shape.groups * shape.state, blocks = ssd_head_blocks(shape);
  const auto reduce = [&](const T* partial, T* target) {
    std::copy_n(partial + token * count, count, target);
    for (std::int64_t block = 1; block < blocks; ++block) {
      const T* source = partial + block * partials.block_elements + token * count;
      for (std::int64_t i = 0; i < count; ++i) target[i] += source[i];
    }
  };
  reduce(partials.d_b, args.d_b + row * args.d_b_strides.batch + t * args.d_b_strides.token);
  reduce(partials.d_c, args.d_c + row * args.d_c_strides.batch + t * args.d_c_strides.token);
}

template <class T>
void reduce_heads(const SsdBackwardArgs<T>& args, const T* heads) {
  const SsdShape& shape = args.shape;
  for (std::int64_t head = 0; head < shape.heads; ++head) {
    T sums[3] = {};
    for (std::int64_t row = 0; row < shape.batch; ++row) {
      for (int i = 0; i < 3; ++i) sums[i] += heads[(row * shape.heads + head) * 3 + i];
    }
    if (args.d_a_log != nullptr) args.d_a_log[head] = -std::exp(args.a_log[head]) * sums[0];
    if (args.d_dt_bias != nullptr) args.d_dt_bias[head] = sums[1];
    if (args.d_d != nullptr) args.d_d[head] = sums[2];
  }
}

}  // namespace

template <class T>
void ssd_backward(const SsdBackwardArgs<T>& args, const SsdChunkTable& table, std::int64_t chunk,
                  T* workspace, const Context& context) {
  const SsdShape& shape = args.shape;
  require(shape.groups > 0 && shape.heads % shape.groups == 0, "ssd", shape.groups, " groups of ",
          shape.heads, " heads");
  require(args.chunk_states != nullptr, "ssd", "backward needs the states of forward");
  Scratch<T> shared(workspace);
  const BackwardPartials<T> partials(shared, shape);
  const GroupParts<T> parts(shared, shape, chunk, SsdPass::kBackward);
  T* const tiles = workspace + shared.used();
  const auto tiles_of = [&](int worker) {
    return worker_tiles<BackwardTiles<T>>(tiles, worker, shape, chunk);
  };
  prepare_groups<T>(
      args, table, parts, [&](int worker) { return tiles_of(worker).c_columns; }, context);
  parallel_for_worker(context, shape.batch * shape.groups * ssd_head_blocks(shape),
                      [&](std::int64_t task, int worker) {
                        run_task(args, table, parts, partials, tiles_of(worker), task);
                      });
  parallel_blocks(context, shape.batch * shape.tokens, 64,
                  [&](std::int64_t begin, std::int64_t end) {
                    for (std::int64_t token = begin; token < end; ++token) {
                      reduce_token(args, partials, token);
                    }
                  });
  reduce_heads(args, partials.heads);
}

template void ssd_backward<float>(const SsdBackwardArgs<float>&, const SsdChunkTable&, std::int64_t,
                                  float*, const Context&);
template void ssd_backward<double>(const SsdBackwardArgs<double>&, const SsdChunkTable&,
                                   std::int64_t, double*, const Context&);

}  // namespace cpu

std::int64_t ssd_backward_workspace(const SsdShape& shape, std::int64_t chunk, int threads) {
  Scratch<float> shared(nullptr), tiles(nullptr);
  cpu::BackwardPartials<float>(shared, shape);
  cpu::GroupParts<float>(shared, shape, chunk, cpu::SsdPass::kBackward);
  cpu::BackwardTiles<float>(tiles, shape, chunk);
  return shared.used() + threads * tiles.used();
}

}  // namespace peryton::kernels
#endif  // HWY_ONCE
