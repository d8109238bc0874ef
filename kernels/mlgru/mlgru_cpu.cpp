// Fast path: vectors over channels, tasks are (row, block of channels, chunk of tokens).
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <type_traits>

#include "kernels/mlgru/mlgru.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/mlgru/mlgru_cpu.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
// After highway.h
#include "hwy/contrib/math/math-inl.h"
#include "kernels/common/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::cpu::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;
using kernels::HWY_NAMESPACE::FloatTag;
using kernels::HWY_NAMESPACE::FloatVector;
using kernels::HWY_NAMESPACE::load_lanes;
using kernels::HWY_NAMESPACE::store_lanes;

constexpr std::int64_t kChannelBlock = kMlgruChannelBlock;

std::int64_t Lanes() { return static_cast<std::int64_t>(hn::Lanes(FloatTag())); }

// s(x) and s(-x).
struct Logistic {
  FloatVector plus, minus;
};

HWY_INLINE Logistic LogisticOf(FloatVector x) {
  const FloatTag d;
  const auto one = hn::Set(d, 1.0f);
  const auto e = hn::Exp(d, hn::Min(hn::Neg(x), hn::Set(d, 88.0f)));
  const auto plus = hn::Div(one, hn::Add(one, e));
  return {plus, hn::Mul(e, plus)};
}

// What one task walks through: tokens [begin, end) of row b, channels [channel, channel + count).
struct Span {
  std::int64_t b, chunk, begin, end, channel, count;
};

template <class Args>
Span SpanOf(const Args& args, std::int64_t task) {
  const std::int64_t blocks = divide_up(args.channels, kChannelBlock), chunks = args.chunks();
  Span span = {};
  span.channel = task % blocks * kChannelBlock;
  span.count = std::min(kChannelBlock, args.channels - span.channel);
  span.chunk = task / blocks % chunks;
  span.b = task / blocks / chunks;
  span.begin = span.chunk * args.chunk;
  span.end = std::min(args.tokens, span.begin + args.chunk);
  return span;
}

template <class P>
HWY_INLINE P* At(P* data, const TokenStrides& strides, const Span& span, std::int64_t t) {
  return data + span.b * strides.batch + t * strides.token + span.channel;
}

// Vectors of a span: offset and how many of its lanes count.
template <class F>
HWY_INLINE void ForVectors(const Span& span, F&& body) {
  const std::int64_t lanes = Lanes();
  for (std::int64_t i = 0; i < span.count; i += lanes) {
    body(i, static_cast<std::size_t>(std::min(lanes, span.count - i)));
  }
}

template <class T>
HWY_INLINE FloatVector BoundAt(const MlgruArgs<T>& args, const Span& span, std::int64_t i,
                               std::size_t lanes) {
  if (args.bound == nullptr) return hn::Zero(FloatTag());
  return load_lanes(args.bound + span.channel + i, lanes);
}

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

// [batch, chunks, channels] arrays of the workspace.
template <class Args>
float* ChunkRow(const Args& args, std::int64_t array, const Span& span) {
  const std::int64_t size = args.batch * args.chunks() * args.channels;
  return args.workspace + array * size + (span.b * args.chunks() + span.chunk) * args.channels +
         span.channel;
}

void LoadBlock(const float* from, const Span& span, float* block) {
  std::fill_n(block, kChannelBlock, 0.0f);
  if (from != nullptr) std::copy_n(from, span.count, block);
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

void ForwardFloat(const MlgruForwardArgs<float>& args, std::int64_t task, bool summary) {
  ForwardTask(args, task, summary);
}
void ForwardBFloat16(const MlgruForwardArgs<BFloat16>& args, std::int64_t task, bool summary) {
  ForwardTask(args, task, summary);
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

HWY_EXPORT(ForwardFloat);
HWY_EXPORT(ForwardBFloat16);
HWY_EXPORT(BackwardFloat);
HWY_EXPORT(BackwardBFloat16);

namespace {

template <class T>
std::int64_t task_count(const MlgruArgs<T>& args) {
  return args.batch * args.chunks() * divide_up(args.channels, kMlgruChannelBlock);
}

void run_task(const MlgruForwardArgs<float>& args, std::int64_t task, bool summary) {
  HWY_DYNAMIC_DISPATCH(ForwardFloat)(args, task, summary);
}
void run_task(const MlgruForwardArgs<BFloat16>& args, std::int64_t task, bool summary) {
  HWY_DYNAMIC_DISPATCH(ForwardBFloat16)(args, task, summary);
}
void run_task(const MlgruBackwardArgs<float>& args, std::int64_t task, bool summary) {
  HWY_DYNAMIC_DISPATCH(BackwardFloat)(args, task, summary);
}
void run_task(const MlgruBackwardArgs<BFloat16>& args, std::int64_t task, bool summary) {
  HWY_DYNAMIC_DISPATCH(BackwardBFloat16)(args, task, summary);
}

template <class Args>
void run_tasks(const Args& args, bool summary, const Context& context) {
  parallel_for(context, task_count(args),
               [&](std::int64_t task) { run_task(args, task, summary); });
}

// Turns "what a chunk makes of a zero state" into "the state that enters it": first to last chunk,
// or last to first. `values` and `products` are [batch, chunks, channels], `start` [batch,
// channels].
void carry(std::int64_t batch, std::int64_t chunks, std::int64_t channels, const float* start,
           bool backwards, float* values, const float* products, const Context& context) {
  parallel_blocks(context, batch * channels, 1024, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t at = begin; at < end; ++at) {
      const std::int64_t b = at / channels, c = at % channels;
      float entering = start == nullptr ? 0.0f : start[at];
      for (std::int64_t step = 0; step < chunks; ++step) {
        const std::int64_t chunk = backwards ? chunks - 1 - step : step;
        const std::int64_t i = (b * chunks + chunk) * channels + c;
        const float leaving = values[i] + products[i] * entering;
        values[i] = entering;
        entering = leaving;
      }
    }
  });
}

template <class T>
void check(const MlgruArgs<T>& args) {
  require(args.batch >= 0 && args.tokens >= 0 && args.channels > 0 && args.chunk > 0, "mlgru",
          args.channels, " channels in chunks of ", args.chunk);
}

}  // namespace

template <class T>
void mlgru(const MlgruForwardArgs<T>& args, const Context& context) {
  check<T>(args);
  if constexpr (std::is_same_v<T, double>) {
    reference::mlgru(args);
  } else {
    const std::int64_t chunks = args.chunks();
    if (chunks > 1) {
      run_tasks(args, /*summary=*/true, context);
      const std::int64_t size = args.batch * chunks * args.channels;
      carry(args.batch, chunks, args.channels, args.initial_state, /*backwards=*/false,
            args.workspace, args.workspace + size, context);
    }
    run_tasks(args, /*summary=*/false, context);
  }
}

template <class T>
void mlgru_backward(const MlgruBackwardArgs<T>& args, const Context& context) {
  check<T>(args);
  if constexpr (std::is_same_v<T, double>) {
    reference::mlgru_backward(args);
  } else {
    const std::int64_t chunks = args.chunks(), size = args.batch * chunks * args.channels;
    if (chunks > 1) {
      run_tasks(args, /*summary=*/true, context);
      carry(args.batch, chunks, args.channels, args.d_final_state, /*backwards=*/true,
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

#define PERYTON_INSTANTIATE(T)                                        \
  template void mlgru<T>(const MlgruForwardArgs<T>&, const Context&); \
  template void mlgru_backward<T>(const MlgruBackwardArgs<T>&, const Context&);
PERYTON_INSTANTIATE(float)
PERYTON_INSTANTIATE(BFloat16)
PERYTON_INSTANTIATE(double)
#undef PERYTON_INSTANTIATE

}  // namespace peryton::kernels::cpu
#endif  // HWY_ONCE
