// Fast path, backward: tasks as forward, tokens in reverse.
// SPDX-License-Identifier: Apache-2.0
#include <type_traits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/mlgru/mlgru_backward_cpu.cpp"
#include "hwy/foreach_target.h"
// The per-target headers follow foreach_target.h.
#include "hwy/highway.h"
#include "kernels/mlgru/mlgru_chunks.h"
#include "kernels/mlgru/mlgru_span-inl.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::cpu::HWY_NAMESPACE {
namespace {

// The same backwards: `later` is the gradient that reaches the last token of the span from those
// after it, and leaves as what reaches the token before the span.
template <class T, bool kSummary>
void WalkBackward(const MlgruBackwardArgs<T>& args, const Span& span, float* later, float* product,
                  float* d_bound) {
  const FloatTag d;
  const auto one = hn::Set(d, 1.0f);
  for (std::int64_t t = span.end - 1; t >= span.begin; --t) {
    const bool fresh = args.fresh(span.b, t);
    const T* u = At(args.u, args.u_strides, span, t);
    const T* d_h = At(args.d_h, args.d_h_strides, span, t);
    ForVectors(span, [&](std::int64_t i, std::size_t lanes) HWY_ATTR {
      const auto bound = BoundAt(args, span, i, lanes), open = hn::Sub(one, bound);
      const Logistic gate = LogisticOf(load_lanes(u + i, lanes));
      const auto whole = hn::Add(load_lanes(d_h + i, lanes), hn::LoadU(d, later + i));
      const auto forget = fresh ? hn::Zero(d) : hn::MulAdd(open, gate.plus, bound);
      hn::StoreU(hn::Mul(forget, whole), d, later + i);
      if constexpr (kSummary) {
        hn::StoreU(hn::Mul(forget, hn::LoadU(d, product + i)), d, product + i);
        return;
      }
      const auto x = load_lanes(At(args.v, args.v_strides, span, t) + i, lanes);
      const Logistic sv = LogisticOf(x);
      auto before = hn::Zero(d);
      if (!fresh && t > 0) before = load_lanes(At(args.h, args.h_strides, span, t - 1) + i, lanes);
      if (!fresh && t == 0) {
        before = load_lanes(args.initial_state + span.b * args.channels + span.channel + i, lanes);
      }
      const auto df = hn::Mul(whole, hn::Sub(before, hn::Mul(x, sv.plus)));
      const auto keep = hn::Mul(open, gate.minus);
      const auto slope = hn::Mul(sv.plus, hn::MulAdd(x, sv.minus, one));
      store_lanes(hn::Mul(df, hn::Mul(keep, gate.plus)),
                  At(args.d_u, args.d_u_strides, span, t) + i, lanes);
      store_lanes(hn::Mul(whole, hn::Mul(keep, slope)), At(args.d_v, args.d_v_strides, span, t) + i,
                  lanes);
      hn::StoreU(hn::MulAdd(df, gate.minus, hn::LoadU(d, d_bound + i)), d, d_bound + i);
    });
  }
}

template <class T>
void BackwardTask(const MlgruBackwardArgs<T>& args, std::int64_t task, bool summary) {
  const Span span = SpanOf(args, task);
  const std::int64_t at = span.b * args.channels + span.channel;
  float later[kChannelBlock], product[kChannelBlock], d_bound[kChannelBlock];
  if (summary) {
    LoadBlock(nullptr, span, later);
    std::fill_n(product, kChannelBlock, 1.0f);
    WalkBackward<T, true>(args, span, later, product, nullptr);
    std::copy_n(later, span.count, ChunkRow(args, 1, span));
    std::copy_n(product, span.count, ChunkRow(args, 2, span));
    return;
  }
  const float* last = args.d_final_state == nullptr ? nullptr : args.d_final_state + at;
  LoadBlock(args.chunks() > 1 ? ChunkRow(args, 1, span) : last, span, later);
  LoadBlock(nullptr, span, d_bound);
  WalkBackward<T, false>(args, span, later, nullptr, d_bound);
  std::copy_n(d_bound, span.count, ChunkRow(args, 0, span));
  if (args.d_initial_state == nullptr || span.begin != 0) return;
  std::copy_n(later, span.count, args.d_initial_state + at);
}

void BackwardFloat(const MlgruBackwardArgs<float>& args, std::int64_t task, bool summary) {
  BackwardTask(args, task, summary);
}
void BackwardBFloat16(const MlgruBackwardArgs<BFloat16>& args, std::int64_t task, bool summary) {
  BackwardTask(args, task, summary);
}

}  // namespace
}  // namespace peryton::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace peryton::kernels::cpu {

HWY_EXPORT(BackwardFloat);
HWY_EXPORT(BackwardBFloat16);

namespace {

void run_task(const MlgruBackwardArgs<float>& args, std::int64_t task, bool summary) {
  HWY_DYNAMIC_DISPATCH(BackwardFloat)(args, task, summary);
}
void run_task(const MlgruBackwardArgs<BFloat16>& args, std::int64_t task, bool summary) {
  HWY_DYNAMIC_DISPATCH(BackwardBFloat16)(args, task, summary);
}

template <class Args>
void run_tasks(const Args& args, bool summary, const Context& context) {
  for_mlgru_tasks(args, context, [&](std::int64_t task) { run_task(args, task, summary); });
}

}  // namespace

template <class T>
void mlgru_backward(const MlgruBackwardArgs<T>& args, const Context& context) {
  check_mlgru<T>(args);
  if constexpr (std::is_same_v<T, double>) {
    reference::mlgru_backward(args);
  } else {
    const std::int64_t chunks = args.chunks(), size = args.batch * chunks * args.channels;
    if (chunks > 1) {
      run_tasks(args, /*summary=*/true, context);
      carry_chunks(args.batch, chunks, args.channels, args.d_final_state, /*backwards=*/true,
                   args.workspace + size, args.workspace + 2 * size, context);
    }
    run_tasks(args, /*summary=*/false, context);
    if (args.d_bound == nullptr) return;
    std::fill_n(args.d_bound, args.channels, 0.0f);
    for (std::int64_t row = 0; row < args.batch * chunks; ++row) {
      const float* partial = args.workspace + row * args.channels;
      for (std::int64_t c = 0; c < args.channels; ++c) args.d_bound[c] += partial[c];
    }
  }
}

template void mlgru_backward<float>(const MlgruBackwardArgs<float>&, const Context&);
template void mlgru_backward<BFloat16>(const MlgruBackwardArgs<BFloat16>&, const Context&);
template void mlgru_backward<double>(const MlgruBackwardArgs<double>&, const Context&);

}  // namespace peryton::kernels::cpu
#endif  // HWY_ONCE
