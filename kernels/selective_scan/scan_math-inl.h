// The time step and the decay rates of a block of channels. Include inside a Highway target
// (per-target guard).
// SPDX-License-Identifier: Apache-2.0
#if defined(PERYTON_KERNELS_SELECTIVE_SCAN_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PERYTON_KERNELS_SELECTIVE_SCAN_MATH_INL_H_
#undef PERYTON_KERNELS_SELECTIVE_SCAN_MATH_INL_H_
#else
#define PERYTON_KERNELS_SELECTIVE_SCAN_MATH_INL_H_
#endif

#include "hwy/contrib/math/math-inl.h"
#include "kernels/common/lanes-inl.h"
#include "kernels/selective_scan/scan_block.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::HWY_NAMESPACE {

struct TimeStep {
  FloatVector value, slope;
};

// softplus(v) = max(v, 0) + log(1 + exp(-|v|)), and its slope 1 / (1 + exp(-v)).
HWY_INLINE TimeStep time_step_of(FloatVector v) {
  const FloatTag d;
  const auto one = hn::Set(d, 1.0f), zero = hn::Zero(d);
  // Below -80 the exponential leaves the range of the approximation; it is 0 in float anyway.
  const auto e = hn::Exp(d, hn::Max(hn::Neg(hn::Abs(v)), hn::Set(d, -80.0f)));
  const auto high = hn::IfThenElse(hn::Ge(v, zero), one, e);
  return {hn::Add(hn::Max(v, zero), hn::Log1p(d, e)), hn::Div(high, hn::Add(one, e))};
}

// exp(v) for v <= 0.
HWY_INLINE FloatVector decay_of(FloatVector v) {
  const FloatTag d;
  const auto e = hn::Exp(d, hn::Max(v, hn::Set(d, -80.0f)));
  return hn::IfThenElseZero(hn::Ge(v, hn::Set(d, -80.0f)), e);
}

// A = -exp(a_log) of a block, [N][kScanBlock].
HWY_INLINE void fill_rates(const SelectiveScanArgs<float>& a, const ScanBlock& block,
                           float* rates) {
  const FloatTag d;
  const std::int64_t states = a.shape.state;
  std::fill_n(rates, states * kScanBlock, 0.0f);
  for (std::int64_t i = 0; i < block.count; ++i) {
    for (std::int64_t n = 0; n < states; ++n) {
      rates[n * kScanBlock + i] = a.a_log[(block.first + i) * states + n];
    }
  }
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t i = 0; i < states * kScanBlock; i += lanes) {
    hn::StoreU(hn::Neg(hn::Exp(d, hn::LoadU(d, rates + i))), d, rates + i);
  }
}

// Rows [N] of a block, between [N][channels] and [N][kScanBlock].
HWY_INLINE void load_block(const float* from, std::int64_t channels, const ScanBlock& block,
                           std::int64_t states, float* to) {
  for (std::int64_t n = 0; n < states; ++n) {
    float* row = to + n * kScanBlock;
    std::copy_n(from + n * channels + block.first, block.count, row);
    std::fill(row + block.count, row + kScanBlock, 0.0f);
  }
}
HWY_INLINE void store_block(const float* from, std::int64_t channels, const ScanBlock& block,
                            std::int64_t states, float* to) {
  for (std::int64_t n = 0; n < states; ++n) {
    std::copy_n(from + n * kScanBlock, block.count, to + n * channels + block.first);
  }
}

}  // namespace peryton::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
