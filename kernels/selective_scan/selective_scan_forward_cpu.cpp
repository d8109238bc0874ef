// The scan, vectors over channels: tokens in order, a block of channels at a time, its state in
// cache.
// SPDX-License-Identifier: Apache-2.0
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/selective_scan/selective_scan_forward_cpu.cpp"
#include "hwy/foreach_target.h"
// The per-target headers follow foreach_target.h.
#include "hwy/highway.h"
#include "kernels/common/lanes-inl.h"
#include "kernels/selective_scan/scan_block.h"
#include "kernels/selective_scan/scan_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::HWY_NAMESPACE {
namespace {

// One token of a vector of channels: `rates` and `state` are columns of [N][kScanBlock].
HWY_INLINE FloatVector scan_token(FloatVector x, FloatVector dt, FloatVector skip, const float* b,
                                  const float* c, std::int64_t states, const float* rates,
                                  float* state) {
  const FloatTag d;
  const auto step = time_step_of(dt).value;
  const auto input = hn::Mul(step, x);
  auto y = hn::Mul(skip, x);
  for (std::int64_t n = 0; n < states; ++n) {
    const auto decay = decay_of(hn::Mul(step, hn::LoadU(d, rates + n * kScanBlock)));
    const auto s =
        hn::MulAdd(decay, hn::LoadU(d, state + n * kScanBlock), hn::Mul(input, hn::Set(d, b[n])));
    hn::StoreU(s, d, state + n * kScanBlock);
    y = hn::MulAdd(s, hn::Set(d, c[n]), y);
  }
  return y;
}

void forward_block(const SelectiveScanForwardArgs<float>& a, const ScanBlock& block,
                   float* scratch) {
  const SelectiveScanShape& s = a.shape;
  const std::size_t count = static_cast<std::size_t>(block.count), lanes = hn::Lanes(FloatTag());
  const std::int64_t size = s.state * s.channels;
  float *rates = scratch, *state = scratch + s.state * kScanBlock;
  fill_rates(a, block, rates);
  if (a.initial_state != nullptr) {
    load_block(a.initial_state + block.row * size, s.channels, block, s.state, state);
  } else {
    std::fill_n(state, s.state * kScanBlock, 0.0f);
  }
  for (std::int64_t t = 0; t < s.tokens; ++t) {
    if (a.chunk_states != nullptr && t % kSelectiveScanChunk == 0) {
      const std::int64_t chunk = block.row * s.chunks() + t / kSelectiveScanChunk;
      store_block(state, s.channels, block, s.state, a.chunk_states + chunk * size);
    }
    if (a.resets(block.row, t)) std::fill_n(state, s.state * kScanBlock, 0.0f);
    const float* x = a.at(a.x, a.x_strides, block.row, t) + block.first;
    const float* dt = a.at(a.dt, a.dt_strides, block.row, t) + block.first;
    const float *b = a.at(a.b, a.b_strides, block.row, t),
                *c = a.at(a.c, a.c_strides, block.row, t);
    float* y = a.y + block.row * a.y_strides.batch + t * a.y_strides.token + block.first;
    for (std::size_t i = 0; i < count; i += lanes) {
      const std::size_t left = count - i;
      const auto pre =
          hn::Add(load_lanes(dt + i, left), load_lanes(a.dt_bias + block.first + i, left));
      const auto result =
          scan_token(load_lanes(x + i, left), pre, load_lanes(a.d + block.first + i, left), b, c,
                     s.state, rates + i, state + i);
      store_lanes(result, y + i, left);
    }
  }
  if (a.final_state != nullptr) {
    store_block(state, s.channels, block, s.state, a.final_state + block.row * size);
  }
}

}  // namespace
}  // namespace peryton::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace peryton::kernels {
HWY_EXPORT(forward_block);

void scan_forward_block(const SelectiveScanForwardArgs<float>& args, const ScanBlock& block,
                        float* scratch) {
  HWY_DYNAMIC_DISPATCH(forward_block)(args, block, scratch);
}

}  // namespace peryton::kernels
#endif
