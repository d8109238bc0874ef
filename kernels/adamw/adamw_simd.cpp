// AdamW in float with Highway, for every instruction set of the target, chosen at run time.
// SPDX-License-Identifier: Apache-2.0
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/adamw/adamw_simd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/adamw/adamw.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// [begin, end) of the range. Multiplications and additions stay apart (no MulAdd), as in the
// reference: the kernel waits for memory anyway.
void AdamWBlock(const AdamWArgs<float>& args, std::int64_t begin, std::int64_t end) {
  const hn::ScalableTag<float> d;
  const auto scale = hn::Set(d, static_cast<float>(args.gradient_scale));
  const auto keep = hn::Set(d, static_cast<float>(1.0 - args.decay));
  const auto new1 = hn::Set(d, static_cast<float>(1.0 - args.beta1));
  const auto old2 = hn::Set(d, static_cast<float>(args.beta2));
  const auto new2 = hn::Set(d, static_cast<float>(1.0 - args.beta2));
  const auto epsilon = hn::Set(d, static_cast<float>(args.epsilon));
  const auto step = hn::Set(d, static_cast<float>(args.step_size));
  const auto correction = hn::Set(d, static_cast<float>(args.inverse_root_correction));
  const auto update = [&](const float* gradients, float* moment1, float* moment2, float* weights) {
    const auto g = hn::Mul(scale, hn::LoadU(d, gradients));
    const auto m0 = hn::LoadU(d, moment1);
    const auto m = hn::Add(m0, hn::Mul(new1, hn::Sub(g, m0)));
    const auto v = hn::Add(hn::Mul(old2, hn::LoadU(d, moment2)), hn::Mul(hn::Mul(new2, g), g));
    const auto w = hn::Mul(keep, hn::LoadU(d, weights));
    const auto below = hn::Add(hn::Mul(hn::Sqrt(v), correction), epsilon);
    hn::StoreU(m, d, moment1);
    hn::StoreU(v, d, moment2);
    hn::StoreU(hn::Sub(w, hn::Div(hn::Mul(step, m), below)), d, weights);
  };
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = begin;
  for (; i + lanes <= end; i += lanes) {
    update(args.gradients + i, args.moment1 + i, args.moment2 + i, args.weights + i);
  }
  if (i == end) return;
  // The rest passes through a full vector of zeros, which update to zeros or NaN that nobody reads.
  HWY_ALIGN float rest[4][HWY_MAX_BYTES / sizeof(float)] = {};
  const std::int64_t left = end - i;
  for (std::int64_t k = 0; k < left; ++k) {
    rest[0][k] = args.gradients[i + k];
    rest[1][k] = args.moment1[i + k];
    rest[2][k] = args.moment2[i + k];
    rest[3][k] = args.weights[i + k];
  }
  update(rest[0], rest[1], rest[2], rest[3]);
  for (std::int64_t k = 0; k < left; ++k) {
    args.moment1[i + k] = rest[1][k];
    args.moment2[i + k] = rest[2][k];
    args.weights[i + k] = rest[3][k];
  }
}

}  // namespace peryton::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace peryton::kernels {
HWY_EXPORT(AdamWBlock);

void cpu::adamw(const AdamWArgs<float>& args, const Context& context) {
  parallel_blocks(context, args.count, 1 << 14, [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(AdamWBlock)(args, begin, end);
  });
}
}  // namespace peryton::kernels
#endif
