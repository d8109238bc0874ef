// Chunked forward. A task owns a few heads of one group in one row and walks the chunks in order
// with their states; the scores of a chunk are shared by its heads. One token alone runs the
// recurrence.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/ssd/ssd.h"

#include "kernels/common/argument_error.h"
#include "kernels/ssd/scratch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/ssd/ssd_cpu.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
// After highway.h
#include "kernels/ssd/chunk_parts-inl.h"

#ifndef PERYTON_KERNELS_SSD_FORWARD_TILES_
#define PERYTON_KERNELS_SSD_FORWARD_TILES_
namespace peryton::kernels::cpu {

// Scratch memory of one worker.
template <class T>
struct ForwardTiles {
  T *b_rows, *c_rows, *b_columns, *scores, *weights, *x, *y, *states, *delta, *sums, *entering,
      *leaving;

  ForwardTiles(Scratch<T>& scratch, const SsdShape& shape, std::int64_t chunk) {
    const std::int64_t padded = ssd_padded(chunk);
    for (T** tile : {&b_rows, &c_rows, &b_columns}) *tile = scratch.take(shape.state * padded);
    scores = scratch.take(padded * padded);
    weights = scratch.take(padded * padded);
    x = scratch.take(chunk * shape.head_dim);
    y = scratch.take(chunk * shape.head_dim);
    states = scratch.take(ssd_heads_per_block(shape) * shape.state_elements());
    for (T** part : {&delta, &sums, &entering, &leaving}) *part = scratch.take(padded);
  }
};

}  // namespace peryton::kernels::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::cpu::HWY_NAMESPACE {
namespace {

// weights[i, j] = exp(s_i - s_j) scores[i, j] for j <= i, else 0. By select: a score above the
// diagonal may be anything.
template <class T>
void DecayScores(const ForwardTiles<T>& tiles, std::int64_t length, std::int64_t padded) {
  const hn::ScalableTag<T> d;
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t i = 0; i < length; ++i) {
    const T* scores = tiles.scores + i * padded;
    T* weights = tiles.weights + i * padded;
    const auto sum = hn::Set(d, tiles.sums[i]), row = hn::Set(d, static_cast<T>(i));
    std::int64_t j = 0;
    for (; j <= i; j += lanes) {
      const auto exponent = hn::Min(hn::Sub(sum, hn::LoadU(d, tiles.sums + j)), hn::Zero(d));
      const auto wanted = hn::Le(hn::Iota(d, static_cast<T>(j)), row);
      const auto weight = hn::Mul(hn::Exp(d, exponent), hn::LoadU(d, scores + j));
      hn::StoreU(hn::IfThenElseZero(wanted, weight), d, weights + j);
    }
    std::fill(weights + j, weights + std::max(j, padded), T(0));
  }
}

template <class T>
void ForwardChunk(const SsdForwardArgs<T>& args, const SsdChunk& chunk, const HeadBlock& block,
                  std::int64_t head, T* state, const ForwardTiles<T>& tiles) {
  const SsdShape& shape = args.shape;
  const std::int64_t width = shape.head_dim, length = chunk.length, padded = ssd_padded(length);
  Steps<T> steps{tiles.delta, tiles.sums, tiles.entering, tiles.leaving, 0};
  ComputeSteps<T>(args, chunk, block.row, head, padded, steps);
  for (std::int64_t j = 0; j < length; ++j) {
    Scale(args.x_at(block.row, chunk.begin + j, head), steps.delta[j], tiles.x + j * width, width);
  }
  if (chunk.continues) {
    MultiplyTiles({tiles.c_rows, shape.state, 1}, state, width, tiles.y, width, length, width,
                  shape.state, false);
    for (std::int64_t i = 0; i < length; ++i) {
      Scale(tiles.y + i * width, steps.entering[i], tiles.y + i * width, width);
    }
  }
  DecayScores(tiles, length, padded);
  MultiplyTiles({tiles.weights, padded, 1}, tiles.x, width, tiles.y, width, length, width, length,
                chunk.continues, Part::kLowerLeft);
  for (std::int64_t i = 0; i < length; ++i) {
    const std::int64_t t = chunk.begin + i;
    T* y = args.y + block.row * args.y_strides.batch + t * args.y_strides.token + head * width;
    std::copy_n(tiles.y + i * width, width, y);
    AddScaled(args.x_at(block.row, t, head), args.d[head], y, width);
    Scale(tiles.x + i * width, steps.leaving[i], tiles.x + i * width, width);
  }
  if (chunk.continues) Scale(state, steps.total, state, shape.state_elements());
  MultiplyTiles({tiles.b_rows, 1, shape.state}, tiles.x, width, state, width, shape.state, width,
                length, chunk.continues);
}

template <class T>
void ForwardTask(const SsdForwardArgs<T>& args, const SsdChunkTable& table, std::int64_t longest,
                 T* workspace, std::int64_t task) {
  const SsdShape& shape = args.shape;
  const std::int64_t size = shape.state_elements();
  const HeadBlock block = FindHeadBlock(shape, task);
  Scratch<T> scratch(workspace);
  const ForwardTiles<T> tiles(scratch, shape, longest);
  const std::int64_t offset = (block.row * shape.heads + block.first_head) * size;
  if (args.initial_state != nullptr) {
    std::copy_n(args.initial_state + offset, block.heads * size, tiles.states);
  }
  for (std::int64_t i = table.row_begin[block.row]; i < table.row_begin[block.row + 1]; ++i) {
    const SsdChunk& chunk = table.chunks[i];
    if (args.chunk_states != nullptr && chunk.continues) {
      std::copy_n(tiles.states, block.heads * size,
                  args.chunk_states + (i * shape.heads + block.first_head) * size);
    }
    ComputeScores<T>(args, chunk, block, ssd_padded(chunk.length),
                     {tiles.b_rows, tiles.c_rows, tiles.b_columns, tiles.scores});
    for (std::int64_t h = 0; h < block.heads; ++h) {
      ForwardChunk(args, chunk, block, block.first_head + h, tiles.states + h * size, tiles);
    }
  }
  if (args.final_state != nullptr) {
    std::copy_n(tiles.states, block.heads * size, args.final_state + offset);
  }
}

// One token: S <- a S + Delta B x^T, y = S^T C + D x, in one pass over the state.
template <class T>
void StepTask(const SsdForwardArgs<T>& args, std::int64_t task) {
  const SsdShape& shape = args.shape;
  const std::int64_t row = task / shape.heads, head = task % shape.heads, width = shape.head_dim;
  const std::int64_t offset = task * shape.state_elements();
  const T delta =
      time_step(args.dt_at(row, 0, head) + args.dt_bias[head], args.dt_min, args.dt_max);
  const T decay = std::exp(-std::exp(args.a_log[head]) * delta);
  const T *x = args.x_at(row, 0, head), *b = args.b_at(row, 0, args.group_of(head));
  const T* c = args.c_at(row, 0, args.group_of(head));
  const T* in = args.initial_state + offset;
  T* out = args.final_state + offset;
  T* y = args.y + row * args.y_strides.batch + head * width;
  ForEachVector<T>(width, [&](auto d, std::int64_t p) HWY_ATTR {
    const auto input = hn::LoadU(d, x + p), keep = hn::Set(d, decay);
    auto sum = hn::Mul(hn::Set(d, args.d[head]), input);
    for (std::int64_t n = 0; n < shape.state; ++n) {
      const auto added = hn::Mul(hn::Set(d, delta * b[n]), input);
      const auto state = hn::MulAdd(keep, hn::LoadU(d, in + n * width + p), added);
      hn::StoreU(state, d, out + n * width + p);
      sum = hn::MulAdd(hn::Set(d, c[n]), state, sum);
    }
    hn::StoreU(sum, d, y + p);
  });
}

void ForwardFloat(const SsdForwardArgs<float>& args, const SsdChunkTable& table,
                  std::int64_t longest, float* workspace, std::int64_t task) {
  ForwardTask(args, table, longest, workspace, task);
}
void ForwardDouble(const SsdForwardArgs<double>& args, const SsdChunkTable& table,
                   std::int64_t longest, double* workspace, std::int64_t task) {
  ForwardTask(args, table, longest, workspace, task);
}
void StepFloat(const SsdForwardArgs<float>& args, std::int64_t task) { StepTask(args, task); }
void StepDouble(const SsdForwardArgs<double>& args, std::int64_t task) { StepTask(args, task); }

}  // namespace
}  // namespace peryton::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace peryton::kernels {
namespace cpu {

HWY_EXPORT(ForwardFloat);
HWY_EXPORT(ForwardDouble);
HWY_EXPORT(StepFloat);
HWY_EXPORT(StepDouble);

namespace {

template <class T>
std::int64_t worker_elements(const SsdShape& shape, std::int64_t chunk) {
  Scratch<T> scratch(nullptr);
  ForwardTiles<T>(scratch, shape, chunk);
  return scratch.used();
}

void run_task(const SsdForwardArgs<float>& args, const SsdChunkTable& table, std::int64_t chunk,
              float* workspace, std::int64_t task) {
  HWY_DYNAMIC_DISPATCH(ForwardFloat)(args, table, chunk, workspace, task);
}
void run_task(const SsdForwardArgs<double>& args, const SsdChunkTable& table, std::int64_t chunk,
              double* workspace, std::int64_t task) {
  HWY_DYNAMIC_DISPATCH(ForwardDouble)(args, table, chunk, workspace, task);
}
void run_step(const SsdForwardArgs<float>& args, std::int64_t task) {
  HWY_DYNAMIC_DISPATCH(StepFloat)(args, task);
}
void run_step(const SsdForwardArgs<double>& args, std::int64_t task) {
  HWY_DYNAMIC_DISPATCH(StepDouble)(args, task);
}

}  // namespace

template <class T>
void ssd_forward(const SsdForwardArgs<T>& args, const SsdChunkTable& table, std::int64_t chunk,
                 T* workspace, const Context& context) {
  const SsdShape& shape = args.shape;
  require(shape.groups > 0 && shape.heads % shape.groups == 0, "ssd", shape.groups, " groups of ",
          shape.heads, " heads");
  const bool step = shape.tokens == 1 && args.chunk_states == nullptr &&
                    args.initial_state != nullptr && args.final_state != nullptr;
  if (step) {
    parallel_for(context, shape.batch * shape.heads,
                 [&](std::int64_t task) { run_step(args, task); });
    return;
  }
  const std::int64_t elements = worker_elements<T>(shape, chunk);
  parallel_for_worker(context, shape.batch * shape.groups * ssd_head_blocks(shape),
                      [&](std::int64_t task, int worker) {
                        run_task(args, table, chunk, workspace + worker * elements, task);
                      });
}

template void ssd_forward<float>(const SsdForwardArgs<float>&, const SsdChunkTable&, std::int64_t,
                                 float*, const Context&);
template void ssd_forward<double>(const SsdForwardArgs<double>&, const SsdChunkTable&, std::int64_t,
                                  double*, const Context&);

}  // namespace cpu

std::int64_t ssd_forward_workspace(const SsdShape& shape, std::int64_t chunk, int threads) {
  return threads * cpu::worker_elements<float>(shape, chunk);
}

}  // namespace peryton::kernels
#endif  // HWY_ONCE
