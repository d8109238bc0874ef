// What forward and backward share inside a Highway target (per-target guard).
// SPDX-License-Identifier: Apache-2.0
#if defined(PERYTON_KERNELS_MLGRU_MLGRU_SPAN_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PERYTON_KERNELS_MLGRU_MLGRU_SPAN_INL_H_
#undef PERYTON_KERNELS_MLGRU_MLGRU_SPAN_INL_H_
#else
#define PERYTON_KERNELS_MLGRU_MLGRU_SPAN_INL_H_
#endif

#include <algorithm>

#include "hwy/contrib/math/math-inl.h"
#include "kernels/common/lanes-inl.h"
#include "kernels/mlgru/mlgru.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using kernels::HWY_NAMESPACE::FloatTag;
using kernels::HWY_NAMESPACE::FloatVector;
using kernels::HWY_NAMESPACE::load_lanes;
using kernels::HWY_NAMESPACE::store_lanes;

constexpr std::int64_t kChannelBlock = kMlgruChannelBlock;

HWY_INLINE std::int64_t Lanes() { return static_cast<std::int64_t>(hn::Lanes(FloatTag())); }

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
HWY_INLINE Span SpanOf(const Args& args, std::int64_t task) {
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

// [batch, chunks, channels] arrays of the workspace.
template <class Args>
HWY_INLINE float* ChunkRow(const Args& args, std::int64_t array, const Span& span) {
  const std::int64_t size = args.batch * args.chunks() * args.channels;
  return args.workspace + array * size + (span.b * args.chunks() + span.chunk) * args.channels +
         span.channel;
}

HWY_INLINE void LoadBlock(const float* from, const Span& span, float* block) {
  std::fill_n(block, kChannelBlock, 0.0f);
  if (from != nullptr) std::copy_n(from, span.count, block);
}

}  // namespace peryton::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
