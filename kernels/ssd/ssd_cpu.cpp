// Chunked forward. A task owns a few heads of one group in one row and walks the chunks in order
// with their states; the scores of a chunk are shared by its heads. One token alone runs the
// recurrence.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/ssd/ssd.h"

#include "kernels/common/argument_error.h"
#include "kernels/ssd/forward_tiles.h"
#include "kernels/ssd/group_parts.h"
#include "kernels/ssd/ssd_pairs.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/ssd/ssd_cpu.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
// After highway.h
#include "kernels/ssd/forward_task-inl.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::cpu::HWY_NAMESPACE {
namespace {

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
                  const GroupParts<float>& parts, const ForwardTiles<float>& tiles,
                  std::int64_t task) {
  ForwardTask(PlainFactors<float>(), args, table, parts, tiles, task);
}
void ForwardDouble(const SsdForwardArgs<double>& args, const SsdChunkTable& table,
                   const GroupParts<double>& parts, const ForwardTiles<double>& tiles,
                   std::int64_t task) {
  ForwardTask(PlainFactors<double>(), args, table, parts, tiles, task);
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

void run_task(const PairTiles* pairs, const SsdForwardArgs<float>& args, const SsdChunkTable& table,
              const GroupParts<float>& parts, const ForwardTiles<float>& tiles, std::int64_t task) {
  if (pairs != nullptr) return forward_pairs_task(*pairs, args, table, parts, tiles, task);
  HWY_DYNAMIC_DISPATCH(ForwardFloat)(args, table, parts, tiles, task);
}
void run_task(const PairTiles* /*pairs*/, const SsdForwardArgs<double>& args,
              const SsdChunkTable& table, const GroupParts<double>& parts,
              const ForwardTiles<double>& tiles, std::int64_t task) {
  HWY_DYNAMIC_DISPATCH(ForwardDouble)(args, table, parts, tiles, task);
}
void run_step(const SsdForwardArgs<float>& args, std::int64_t task) {
  HWY_DYNAMIC_DISPATCH(StepFloat)(args, task);
}
void run_step(const SsdForwardArgs<double>& args, std::int64_t task) {
  HWY_DYNAMIC_DISPATCH(StepDouble)(args, task);
}

template <class T>
void forward(const PairTiles* pairs, const SsdForwardArgs<T>& args, const SsdChunkTable& table,
             std::int64_t chunk, T* workspace, const Context& context) {
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
  Scratch<T> shared(workspace);
  const GroupParts<T> parts(shared, shape, chunk, SsdPass::kForward);
  T* const tiles = workspace + shared.used();
  const auto tiles_of = [&](int worker) {
    return worker_tiles<ForwardTiles<T>>(tiles, worker, shape, chunk);
  };
  prepare_groups<T>(
      args, table, parts, pairs, [&](int worker) { return tiles_of(worker).columns; }, context);
  parallel_for_worker(context, shape.batch * shape.groups * ssd_head_blocks(shape),
                      [&](std::int64_t task, int worker) {
                        run_task(pairs, args, table, parts, tiles_of(worker), task);
                      });
}

}  // namespace

template <class T>
void ssd_forward(const SsdForwardArgs<T>& args, const SsdChunkTable& table, std::int64_t chunk,
                 T* workspace, const Context& context) {
  forward(context.bf16_dots ? available_pair_tiles()[0] : nullptr, args, table, chunk, workspace,
          context);
}

void ssd_forward_pairs(const PairTiles& pairs, const SsdForwardArgs<float>& args,
                       const SsdChunkTable& table, std::int64_t chunk, float* workspace,
                       const Context& context) {
  forward(&pairs, args, table, chunk, workspace, context);
}

template void ssd_forward<float>(const SsdForwardArgs<float>&, const SsdChunkTable&, std::int64_t,
                                 float*, const Context&);
template void ssd_forward<double>(const SsdForwardArgs<double>&, const SsdChunkTable&, std::int64_t,
                                  double*, const Context&);

}  // namespace cpu

std::int64_t ssd_forward_workspace(const SsdShape& shape, std::int64_t chunk, int threads) {
  Scratch<float> shared(nullptr), tiles(nullptr);
  cpu::GroupParts<float>(shared, shape, chunk, cpu::SsdPass::kForward);
  cpu::ForwardTiles<float>(tiles, shape, chunk);
  return shared.used() + threads * tiles.used();
}

}  // namespace peryton::kernels
#endif  // HWY_ONCE
