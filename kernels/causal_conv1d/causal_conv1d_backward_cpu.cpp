// Fast path, backward: vectors over channels, tasks are (row, block of channels), each walking its
// tokens in order, so weight gradients need one fixed-order sum over rows.
// SPDX-License-Identifier: Apache-2.0
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/causal_conv1d/causal_conv1d_backward_cpu.cpp"
#include "hwy/foreach_target.h"
// The per-target headers follow foreach_target.h.
#include "hwy/highway.h"
#include "kernels/causal_conv1d/conv_math-inl.h"
#include "kernels/common/argument_error.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::cpu::HWY_NAMESPACE {
namespace {

constexpr std::int64_t kChannelBlock = 64;

// Sums of one (row, channel block): taps first, bias last; rows of kChannelBlock.
struct BackwardSums {
  float ring[kFastConvWidth][kChannelBlock];
  float weights[kFastConvWidth + 1][kChannelBlock];
};

template <class D>
HWY_INLINE void BackwardAt(D d, const CausalConv1dBackwardArgs<float>& args, const float** rows,
                           std::int64_t first, std::int64_t t, const float* d_out,
                           BackwardSums& sums, std::int64_t base, std::int64_t offset) {
  const std::int64_t c = base + offset, w = args.width;
  auto dc = hn::LoadU(d, d_out + c);
  if (args.silu) {
    const auto one = hn::Set(d, 1.0f);
    const auto value = Taps(d, args, rows, first, c);
    const auto gate = Sigmoid(d, value);
    dc = hn::Mul(dc, hn::Mul(gate, hn::MulAdd(value, hn::Sub(one, gate), one)));
  }
  const auto add = [&](float* sum, auto value)
                       HWY_ATTR { hn::StoreU(hn::Add(hn::LoadU(d, sum), value), d, sum); };
  add(sums.weights[w] + offset, dc);
  for (std::int64_t k = first; k < w; ++k) {
    const std::int64_t s = t - (w - 1) + k;
    add(sums.weights[k] + offset, hn::Mul(dc, hn::LoadU(d, rows[k] + c)));
    if (s >= 0) {
      add(sums.ring[s % w] + offset,
          hn::Mul(hn::LoadU(d, args.weight + k * args.channels + c), dc));
    }
  }
}

// Adds the short sums to those of the row: the rounding error stays that of a block.
void FlushSums(const CausalConv1dBackwardArgs<float>& args, BackwardSums& sums, float* partial,
               std::int64_t count) {
  for (std::int64_t k = 0; k <= args.width; ++k) {
    for (std::int64_t i = 0; i < count; ++i) {
      partial[k * args.channels + i] += sums.weights[k][i];
      sums.weights[k][i] = 0;
    }
  }
}

// Token t of the general case; t runs W-1 beyond the last one to finish d_in.
void BackwardToken(const CausalConv1dBackwardArgs<float>& args, std::int64_t b, std::int64_t t,
                   BackwardSums& sums, std::int64_t base, std::int64_t count) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> d1;
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d)), w = args.width;
  const float* rows[kFastConvWidth];
  if (t < args.tokens) {
    const std::int64_t first = FindRows(args, b, t, rows);
    const float* d_out =
        args.d_output + b * args.d_output_strides.batch + t * args.d_output_strides.token;
    std::fill_n(sums.ring[t % w], count, 0.0f);
    std::int64_t i = 0;
    for (; i + lanes <= count; i += lanes)
      BackwardAt(d, args, rows, first, t, d_out, sums, base, i);
    for (; i < count; ++i) BackwardAt(d1, args, rows, first, t, d_out, sums, base, i);
  }
  const std::int64_t done = t - (w - 1);
  if (done < 0) return;
  float* target =
      args.d_input + b * args.d_input_strides.batch + done * args.d_input_strides.token + base;
  std::copy_n(sums.ring[done % w], count, target);
}

constexpr std::int64_t kUsualWidth = 4;
// Few enough rows to stay in the first-level cache when their stride is a power of two.
constexpr std::int64_t kBackwardTokens = 8;

// Tokens [begin, end), none of whose taps is dropped, for a width of four: everything in registers.
template <class D>
HWY_INLINE void BackwardBlockAt(D d, const CausalConv1dBackwardArgs<float>& args, std::int64_t b,
                                std::int64_t begin, std::int64_t end, BackwardSums& sums,
                                std::int64_t base, std::int64_t offset) {
  const std::int64_t c = base + offset;
  const auto one = hn::Set(d, 1.0f);
  const auto bias = args.bias == nullptr ? hn::Zero(d) : hn::LoadU(d, args.bias + c);
  const auto w0 = hn::LoadU(d, args.weight + c);
  const auto w1 = hn::LoadU(d, args.weight + args.channels + c);
  const auto w2 = hn::LoadU(d, args.weight + 2 * args.channels + c);
  const auto w3 = hn::LoadU(d, args.weight + 3 * args.channels + c);
  auto x0 = hn::LoadU(d, args.row(b, begin - 3) + c);
  auto x1 = hn::LoadU(d, args.row(b, begin - 2) + c);
  auto x2 = hn::LoadU(d, args.row(b, begin - 1) + c);
  auto g0 = hn::LoadU(d, sums.ring[(begin - 3) % 4] + offset);
  auto g1 = hn::LoadU(d, sums.ring[(begin - 2) % 4] + offset);
  auto g2 = hn::LoadU(d, sums.ring[(begin - 1) % 4] + offset);
  auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0, s4 = s0;
  for (std::int64_t t = begin; t < end; ++t) {
    const auto x3 = hn::LoadU(d, args.row(b, t) + c);
    auto dc = hn::LoadU(
        d, args.d_output + b * args.d_output_strides.batch + t * args.d_output_strides.token + c);
    if (args.silu) {
      const auto value =
          hn::MulAdd(w3, x3, hn::MulAdd(w2, x2, hn::MulAdd(w1, x1, hn::MulAdd(w0, x0, bias))));
      const auto gate = Sigmoid(d, value);
      dc = hn::Mul(dc, hn::Mul(gate, hn::MulAdd(value, hn::Sub(one, gate), one)));
    }
    s0 = hn::MulAdd(dc, x0, s0);
    s1 = hn::MulAdd(dc, x1, s1);
    s2 = hn::MulAdd(dc, x2, s2);
    s3 = hn::MulAdd(dc, x3, s3);
    s4 = hn::Add(s4, dc);
    hn::StoreU(
        hn::MulAdd(w0, dc, g0), d,
        args.d_input + b * args.d_input_strides.batch + (t - 3) * args.d_input_strides.token + c);
    g0 = hn::MulAdd(w1, dc, g1);
    g1 = hn::MulAdd(w2, dc, g2);
    g2 = hn::Mul(w3, dc);
    x0 = x1;
    x1 = x2;
    x2 = x3;
  }
  hn::StoreU(g0, d, sums.ring[(end - 3) % 4] + offset);
  hn::StoreU(g1, d, sums.ring[(end - 2) % 4] + offset);
  hn::StoreU(g2, d, sums.ring[(end - 1) % 4] + offset);
  const auto add = [&](std::int64_t k, auto value) HWY_ATTR {
    float* sum = sums.weights[k] + offset;
    hn::StoreU(hn::Add(hn::LoadU(d, sum), value), d, sum);
  };
  add(0, s0);
  add(1, s1);
  add(2, s2);
  add(3, s3);
  add(4, s4);
}

bool WholeBlock(const CausalConv1dBackwardArgs<float>& args, std::int64_t b, std::int64_t begin,
                std::int64_t end) {
  if (args.width != kUsualWidth || begin < kUsualWidth - 1) return false;
  for (std::int64_t t = begin; t < end; ++t) {
    if (args.first_tap(b, t) != 0) return false;
  }
  return true;
}

void BackwardTask(const CausalConv1dBackwardArgs<float>& args, std::int64_t task) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> d1;
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t blocks = divide_up(args.channels, kChannelBlock), w = args.width;
  const std::int64_t b = task / blocks, base = task % blocks * kChannelBlock;
  const std::int64_t count = std::min(kChannelBlock, args.channels - base);
  BackwardSums sums = {};
  float* partial = args.workspace + b * (w + 1) * args.channels + base;
  for (std::int64_t k = 0; k <= w; ++k) std::fill_n(partial + k * args.channels, count, 0.0f);
  for (std::int64_t begin = 0; begin < args.tokens; begin += kBackwardTokens) {
    const std::int64_t end = std::min(args.tokens, begin + kBackwardTokens);
    if (WholeBlock(args, b, begin, end)) {
      std::int64_t i = 0;
      for (; i + lanes <= count; i += lanes) BackwardBlockAt(d, args, b, begin, end, sums, base, i);
      for (; i < count; ++i) BackwardBlockAt(d1, args, b, begin, end, sums, base, i);
    } else {
      for (std::int64_t t = begin; t < end; ++t) BackwardToken(args, b, t, sums, base, count);
    }
    if (end % 64 == 0 || end == args.tokens) FlushSums(args, sums, partial, count);
  }
  for (std::int64_t t = args.tokens; t < args.tokens + w - 1; ++t) {
    BackwardToken(args, b, t, sums, base, count);
  }
}

void Backward(const CausalConv1dBackwardArgs<float>& args, const Context& context) {
  parallel_for(context, args.batch * divide_up(args.channels, kChannelBlock),
               [&](std::int64_t task) { BackwardTask(args, task); });
}

}  // namespace
}  // namespace peryton::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace peryton::kernels::cpu {

HWY_EXPORT(Backward);

namespace {

// Sums the per-row partials in row order.
void reduce_rows(const CausalConv1dBackwardArgs<float>& args) {
  const std::int64_t size = args.width * args.channels;
  for (std::int64_t i = 0; args.d_weight != nullptr && i < size; ++i) {
    float sum = 0;
    for (std::int64_t b = 0; b < args.batch; ++b) {
      sum += args.workspace[b * (size + args.channels) + i];
    }
    args.d_weight[i] = sum;
  }
  for (std::int64_t c = 0; args.d_bias != nullptr && c < args.channels; ++c) {
    float sum = 0;
    for (std::int64_t b = 0; b < args.batch; ++b) {
      sum += args.workspace[b * (size + args.channels) + size + c];
    }
    args.d_bias[c] = sum;
  }
}

}  // namespace

template <class T>
void causal_conv1d_backward(const CausalConv1dBackwardArgs<T>& args, const Context& context) {
  require(args.width >= 1, "causal_conv1d", "width ", args.width);
  if constexpr (std::is_same_v<T, float>) {
    if (args.width <= kFastConvWidth) {
      HWY_DYNAMIC_DISPATCH(Backward)(args, context);
      return reduce_rows(args);
    }
  }
  reference::causal_conv1d_backward(args);
}

template void causal_conv1d_backward<float>(const CausalConv1dBackwardArgs<float>&, const Context&);
template void causal_conv1d_backward<BFloat16>(const CausalConv1dBackwardArgs<BFloat16>&,
                                               const Context&);
template void causal_conv1d_backward<double>(const CausalConv1dBackwardArgs<double>&,
                                             const Context&);

}  // namespace peryton::kernels::cpu
#endif  // HWY_ONCE
