// Chunked backward. A task owns a few heads of one group in one row and walks the chunks in
// reverse; what the heads of a group share (d_B, d_C) is summed per task and then over tasks in a
// fixed order.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/common/argument_error.h"
#include "kernels/ssd/backward_tiles.h"
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

// out += columns^T, eight rows at a time.
template <class T>
void AddTransposed(const T* columns, std::int64_t padded, std::int64_t rows, std::int64_t state,
                   T* out, std::int64_t out_row) {
  for (std::int64_t j = 0; j < rows; j += 8) {
    const std::int64_t count = std::min<std::int64_t>(8, rows - j);
    for (std::int64_t n = 0; n < state; ++n) {
      const T* source = columns + n * padded + j;
      T* target = out + j * out_row + n;
      for (std::int64_t k = 0; k < count; ++k) target[k * out_row] += source[k];
    }
  }
}

// d_C = d_CB B and d_B = d_CB^T C of the chunk, with what came through the states.
template <class T>
void StoreGroupGradients(const SsdBackwardArgs<T>& args, const SsdChunk& chunk,
                         const HeadBlock& block, const BackwardTiles<T>& tiles,
                         const BackwardPartials<T>& partials) {
  const SsdShape& shape = args.shape;
  const std::int64_t state = shape.state, padded = ssd_padded(chunk.length);
  const std::int64_t row = shape.groups * state;
  const std::int64_t offset =
      block.index * partials.block_elements +
      ((block.row * shape.tokens + chunk.begin) * shape.groups + block.group) * state;
  T *d_b = partials.d_b + offset, *d_c = partials.d_c + offset;
  MultiplyTiles({tiles.d_scores, padded, 1}, tiles.b_rows, state, d_c, row, chunk.length, state,
                chunk.length, false, Part::kLowerLeft);
  MultiplyTiles({tiles.d_scores, 1, padded}, tiles.c_rows, state, d_b, row, chunk.length, state,
                chunk.length, false, Part::kUpperLeft);
  AddTransposed(tiles.d_c_columns, padded, chunk.length, state, d_c, row);
  AddTransposed(tiles.d_b_columns, padded, chunk.length, state, d_b, row);
}

template <class T>
void StoreInitialGradient(const SsdBackwardArgs<T>& args, const HeadBlock& block, bool reached,
                          const T* d_states) {
  if (args.d_initial_state == nullptr) return;
  const std::int64_t size = args.shape.state_elements();
  T* target = args.d_initial_state + (block.row * args.shape.heads + block.first_head) * size;
  if (reached) {
    std::copy_n(d_states, block.heads * size, target);
  } else {
    std::fill_n(target, block.heads * size, T(0));
  }
}

template <class T>
void BackwardTask(const SsdBackwardArgs<T>& args, const SsdChunkTable& table, std::int64_t longest,
                  const BackwardPartials<T>& partials, T* workspace, std::int64_t task) {
  const SsdShape& shape = args.shape;
  const std::int64_t size = shape.state_elements();
  const HeadBlock block = FindHeadBlock(shape, task);
  Scratch<T> scratch(workspace);
  const BackwardTiles<T> tiles(scratch, shape, longest);
  const std::int64_t first = block.row * shape.heads + block.first_head;
  std::fill_n(partials.heads + first * 3, block.heads * 3, T(0));
  bool later = args.d_final_state != nullptr;
  if (later) std::copy_n(args.d_final_state + first * size, block.heads * size, tiles.d_states);
  for (std::int64_t i = table.row_begin[block.row + 1] - 1; i >= table.row_begin[block.row]; --i) {
    const SsdChunk& chunk = table.chunks[i];
    const std::int64_t padded = ssd_padded(chunk.length);
    ComputeScores<T>(args, chunk, block, padded,
                     {tiles.b_rows, tiles.c_rows, tiles.b_columns, tiles.scores});
    Transpose(tiles.c_rows, shape.state, chunk.length, shape.state, tiles.c_columns, padded);
    std::fill_n(tiles.d_scores, padded * padded, T(0));
    std::fill_n(tiles.d_b_columns, shape.state * padded, T(0));
    std::fill_n(tiles.d_c_columns, shape.state * padded, T(0));
    for (std::int64_t h = 0; h < block.heads; ++h) {
      const std::int64_t head = block.first_head + h;
      BackwardHead<T>({args, chunk, block, head,
                       args.chunk_states + (i * shape.heads + head) * size,
                       tiles.d_states + h * size, later, partials.heads + (first + h) * 3, tiles});
    }
    StoreGroupGradients(args, chunk, block, tiles, partials);
    later = chunk.continues;
  }
  StoreInitialGradient(args, block, later, tiles.d_states);
}

void BackwardFloat(const SsdBackwardArgs<float>& args, const SsdChunkTable& table,
                   std::int64_t longest, const BackwardPartials<float>& partials, float* workspace,
                   std::int64_t task) {
  BackwardTask(args, table, longest, partials, workspace, task);
}
void BackwardDouble(const SsdBackwardArgs<double>& args, const SsdChunkTable& table,
                    std::int64_t longest, const BackwardPartials<double>& partials,
                    double* workspace, std::int64_t task) {
  BackwardTask(args, table, longest, partials, workspace, task);
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

void run_task(const SsdBackwardArgs<float>& args, const SsdChunkTable& table, std::int64_t chunk,
              const BackwardPartials<float>& partials, float* workspace, std::int64_t task) {
  HWY_DYNAMIC_DISPATCH(BackwardFloat)(args, table, chunk, partials, workspace, task);
}
void run_task(const SsdBackwardArgs<double>& args, const SsdChunkTable& table, std::int64_t chunk,
              const BackwardPartials<double>& partials, double* workspace, std::int64_t task) {
  HWY_DYNAMIC_DISPATCH(BackwardDouble)(args, table, chunk, partials, workspace, task);
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
  Scratch<T> shared(workspace), counter(nullptr);
  const BackwardPartials<T> partials(shared, shape);
  BackwardTiles<T>(counter, shape, chunk);
  T* tiles = workspace + shared.used();
  const std::int64_t tasks = shape.batch * shape.groups * ssd_head_blocks(shape);
  parallel_for_worker(context, tasks, [&](std::int64_t task, int worker) {
    run_task(args, table, chunk, partials, tiles + worker * counter.used(), task);
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
  cpu::BackwardTiles<float>(tiles, shape, chunk);
  return shared.used() + threads * tiles.used();
}

}  // namespace peryton::kernels
#endif  // HWY_ONCE
