// Chunked backward. A task owns a few heads of one group in one row and walks the chunks in
// reverse; what the heads of a group share (d_B, d_C) is summed per task and then over tasks in a
// fixed order.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/common/argument_error.h"
#include "kernels/ssd/backward_tiles.h"
#include "kernels/ssd/group_parts.h"
#include "kernels/ssd/ssd.h"
#include "kernels/ssd/ssd_pairs.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/ssd/ssd_backward_cpu.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
// After highway.h
#include "kernels/ssd/backward_task-inl.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::cpu::HWY_NAMESPACE {
namespace {

void BackwardFloat(const SsdBackwardArgs<float>& args, const SsdChunkTable& table,
                   const GroupParts<float>& parts, const BackwardPartials<float>& partials,
                   const BackwardTiles<float>& tiles, std::int64_t task) {
  BackwardTask(PlainFactors<float>(), args, table, parts, partials, tiles, task);
}
void BackwardDouble(const SsdBackwardArgs<double>& args, const SsdChunkTable& table,
                    const GroupParts<double>& parts, const BackwardPartials<double>& partials,
                    const BackwardTiles<double>& tiles, std::int64_t task) {
  BackwardTask(PlainFactors<double>(), args, table, parts, partials, tiles, task);
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

void run_task(const PairTiles* pairs, const SsdBackwardArgs<float>& args,
              const SsdChunkTable& table, const GroupParts<float>& parts,
              const BackwardPartials<float>& partials, const BackwardTiles<float>& tiles,
              std::int64_t task) {
  if (pairs != nullptr) {
    return backward_pairs_task(*pairs, args, table, parts, partials, tiles, task);
  }
  HWY_DYNAMIC_DISPATCH(BackwardFloat)(args, table, parts, partials, tiles, task);
}
void run_task(const PairTiles* /*pairs*/, const SsdBackwardArgs<double>& args,
              const SsdChunkTable& table, const GroupParts<double>& parts,
              const BackwardPartials<double>& partials, const BackwardTiles<double>& tiles,
              std::int64_t task) {
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

template <class T>
void backward(const PairTiles* pairs, const SsdBackwardArgs<T>& args, const SsdChunkTable& table,
              std::int64_t chunk, T* workspace, const Context& context) {
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
      args, table, parts, pairs, [&](int worker) { return tiles_of(worker).c_columns; }, context);
  parallel_for_worker(context, shape.batch * shape.groups * ssd_head_blocks(shape),
                      [&](std::int64_t task, int worker) {
                        run_task(pairs, args, table, parts, partials, tiles_of(worker), task);
                      });
  parallel_blocks(context, shape.batch * shape.tokens, 64,
                  [&](std::int64_t begin, std::int64_t end) {
                    for (std::int64_t token = begin; token < end; ++token) {
                      reduce_token(args, partials, token);
                    }
                  });
  reduce_heads(args, partials.heads);
}

}  // namespace

template <class T>
void ssd_backward(const SsdBackwardArgs<T>& args, const SsdChunkTable& table, std::int64_t chunk,
                  T* workspace, const Context& context) {
  backward(context.bf16_dots ? available_pair_tiles()[0] : nullptr, args, table, chunk, workspace,
           context);
}

void ssd_backward_pairs(const PairTiles& pairs, const SsdBackwardArgs<float>& args,
                        const SsdChunkTable& table, std::int64_t chunk, float* workspace,
                        const Context& context) {
  backward(&pairs, args, table, chunk, workspace, context);
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
