// Fast path, forward: vectors over channels, tasks are (row, block of channels, chunk of tokens).
// SPDX-License-Identifier: Apache-2.0
#include <type_traits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/mlgru/mlgru_cpu.cpp"
#include "hwy/foreach_target.h"
// The per-target headers follow foreach_target.h.
#include "hwy/highway.h"
#include "kernels/mlgru/mlgru_chunks.h"
#include "kernels/mlgru/mlgru_span-inl.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::cpu::HWY_NAMESPACE {
namespace {

// Walks a span from `state` [kChannelBlock] and leaves the state after it there. Stores h, or, for
// a summary, multiplies `product` by the gates that a state would pass.
template <class T, bool kSummary>
void WalkForward(const MlgruForwardArgs<T>& args, const Span& span, float* state, float* product) {
  const FloatTag d;
  const auto one = hn::Set(d, 1.0f);
  for (std::int64_t t = span.begin; t < span.end; ++t) {
    if (args.fresh(span.b, t)) {
      std::fill_n(state, kChannelBlock, 0.0f);
      if constexpr (kSummary) std::fill_n(product, kChannelBlock, 0.0f);
    }
    const T* u = At(args.u, args.u_strides, span, t);
    const T* v = At(args.v, args.v_strides, span, t);
    ForVectors(span, [&](std::int64_t i, std::size_t lanes) HWY_ATTR {
      const auto bound = BoundAt(args, span, i, lanes), open = hn::Sub(one, bound);
      const Logistic gate = LogisticOf(load_lanes(u + i, lanes));
      const auto x = load_lanes(v + i, lanes);
      const auto silu = hn::Mul(x, LogisticOf(x).plus);
      const auto forget = hn::MulAdd(open, gate.plus, bound);
      const auto input = hn::Mul(silu, hn::Mul(open, gate.minus));
      const auto h = hn::MulAdd(forget, hn::LoadU(d, state + i), input);
      hn::StoreU(h, d, state + i);
      if constexpr (kSummary) {
        hn::StoreU(hn::Mul(forget, hn::LoadU(d, product + i)), d, product + i);
      } else {
        store_lanes(h, At(args.h, args.h_strides, span, t) + i, lanes);
      }
    });
  }
}

template <class T>
void ForwardTask(const MlgruForwardArgs<T>& args, std::int64_t task, bool summary) {
  const Span span = SpanOf(args, task);
  const std::int64_t at = span.b * args.channels + span.channel;
  float state[kChannelBlock], product[kChannelBlock];
  if (summary) {
    LoadBlock(nullptr, span, state);
    std::fill_n(product, kChannelBlock, 1.0f);
    WalkForward<T, true>(args, span, state, product);
    std::copy_n(state, span.count, ChunkRow(args, 0, span));
    std::copy_n(product, span.count, ChunkRow(args, 1, span));
    return;
  }
  const float* initial = args.initial_state == nullptr ? nullptr : args.initial_state + at;
  LoadBlock(args.chunks() > 1 ? ChunkRow(args, 0, span) : initial, span, state);
  WalkForward<T, false>(args, span, state, nullptr);
  if (args.final_state == nullptr || span.end != args.tokens) return;
  std::copy_n(state, span.count, args.final_state + at);
}

void ForwardFloat(const MlgruForwardArgs<float>& args, std::int64_t task, bool summary) {
  ForwardTask(args, task, summary);
}
void ForwardBFloat16(const MlgruForwardArgs<BFloat16>& args, std::int64_t task, bool summary) {
  ForwardTask(args, task, summary);
}
}  // namespace
}  // namespace peryton::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace peryton::kernels::cpu {

HWY_EXPORT(ForwardFloat);
HWY_EXPORT(ForwardBFloat16);

namespace {

void run_task(const MlgruForwardArgs<float>& args, std::int64_t task, bool summary) {
  HWY_DYNAMIC_DISPATCH(ForwardFloat)(args, task, summary);
}
void run_task(const MlgruForwardArgs<BFloat16>& args, std::int64_t task, bool summary) {
  HWY_DYNAMIC_DISPATCH(ForwardBFloat16)(args, task, summary);
}

template <class Args>
void run_tasks(const Args& args, bool summary, const Context& context) {
  for_mlgru_tasks(args, context, [&](std::int64_t task) { run_task(args, task, summary); });
}

}  // namespace

template <class T>
void mlgru(const MlgruForwardArgs<T>& args, const Context& context) {
  check_mlgru<T>(args);
  if constexpr (std::is_same_v<T, double>) {
    reference::mlgru(args);
  } else {
    const std::int64_t chunks = args.chunks();
    if (chunks > 1) {
      run_tasks(args, /*summary=*/true, context);
      const std::int64_t size = args.batch * chunks * args.channels;
      carry_chunks(args.batch, chunks, args.channels, args.initial_state, /*backwards=*/false,
                   args.workspace, args.workspace + size, context);
    }
    run_tasks(args, /*summary=*/false, context);
  }
}

template void mlgru<float>(const MlgruForwardArgs<float>&, const Context&);
template void mlgru<BFloat16>(const MlgruForwardArgs<BFloat16>&, const Context&);
template void mlgru<double>(const MlgruForwardArgs<double>&, const Context&);

}  // namespace peryton::kernels::cpu
#endif  // HWY_ONCE
