// Fast path, forward: vectors over channels, tasks are blocks of tokens.
// SPDX-License-Identifier: Apache-2.0
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/causal_conv1d/causal_conv1d_cpu.cpp"
#include "hwy/foreach_target.h"
// The per-target headers follow foreach_target.h.
#include "hwy/highway.h"
#include "kernels/causal_conv1d/conv_math-inl.h"
#include "kernels/common/argument_error.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::cpu::HWY_NAMESPACE {
namespace {

constexpr std::int64_t kTokenBlock = 32;

template <class D>
HWY_INLINE void ForwardAt(D d, const CausalConv1dForwardArgs<float>& args, const float** rows,
                          std::int64_t first, float* out, std::int64_t c) {
  auto value = Taps(d, args, rows, first, c);
  if (args.silu) value = hn::Mul(value, Sigmoid(d, value));
  hn::StoreU(value, d, out + c);
}

void ForwardTask(const CausalConv1dForwardArgs<float>& args, std::int64_t task) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> d1;
  const std::int64_t blocks = divide_up(args.tokens, kTokenBlock);
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t b = task / blocks, begin = task % blocks * kTokenBlock;
  const std::int64_t end = std::min(args.tokens, begin + kTokenBlock);
  const float* rows[kFastConvWidth];
  for (std::int64_t t = begin; t < end; ++t) {
    const std::int64_t first = FindRows(args, b, t, rows);
    float* out = args.output + b * args.output_strides.batch + t * args.output_strides.token;
    std::int64_t c = 0;
    for (; c + lanes <= args.channels; c += lanes) ForwardAt(d, args, rows, first, out, c);
    for (; c < args.channels; ++c) ForwardAt(d1, args, rows, first, out, c);
  }
}

void Forward(const CausalConv1dForwardArgs<float>& args, const Context& context) {
  parallel_for(context, args.batch * divide_up(args.tokens, kTokenBlock),
               [&](std::int64_t task) { ForwardTask(args, task); });
}

}  // namespace
}  // namespace peryton::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace peryton::kernels::cpu {

HWY_EXPORT(Forward);

template <class T>
void causal_conv1d(const CausalConv1dForwardArgs<T>& args, const Context& context) {
  require(args.width >= 1, "causal_conv1d", "width ", args.width);
  if constexpr (std::is_same_v<T, float>) {
    if (args.width <= kFastConvWidth) return HWY_DYNAMIC_DISPATCH(Forward)(args, context);
  }
  reference::causal_conv1d(args);
}

template void causal_conv1d<float>(const CausalConv1dForwardArgs<float>&, const Context&);
template void causal_conv1d<BFloat16>(const CausalConv1dForwardArgs<BFloat16>&, const Context&);
template void causal_conv1d<double>(const CausalConv1dForwardArgs<double>&, const Context&);

}  // namespace peryton::kernels::cpu
#endif  // HWY_ONCE
