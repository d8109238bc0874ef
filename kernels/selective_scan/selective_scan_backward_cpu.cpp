// The adjoint of the scan, vectors over channels: chunks of tokens in reverse, each computed again
// from the state that entered it.
// SPDX-License-Identifier: Apache-2.0
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/selective_scan/selective_scan_backward_cpu.cpp"
#include "hwy/foreach_target.h"
// The per-target headers follow foreach_target.h.
#include "hwy/highway.h"
#include "kernels/common/lanes-inl.h"
#include "kernels/selective_scan/scan_block.h"
#include "kernels/selective_scan/scan_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::HWY_NAMESPACE {
namespace {

using BackwardArgs = SelectiveScanBackwardArgs<float>;

HWY_INLINE void add_to(float* target, FloatVector value) {
  const FloatTag d;
  hn::StoreU(hn::Add(hn::LoadU(d, target), value), d, target);
}

// Decays, inputs and the states that leave token t, of which `i` counts from the chunk's start.
void replay_token(const BackwardArgs& a, const ScanBlock& block, const ScanBackwardScratch& w,
                  std::int64_t t, std::int64_t i) {
  const FloatTag d;
  const std::int64_t states = a.shape.state, plane = states * kScanBlock;
  const std::size_t count = static_cast<std::size_t>(block.count), lanes = hn::Lanes(d);
  const float* x = a.at(a.x, a.x_strides, block.row, t) + block.first;
  const float* dt = a.at(a.dt, a.dt_strides, block.row, t) + block.first;
  const float* b = a.at(a.b, a.b_strides, block.row, t);
  const bool resets = a.resets(block.row, t);
  for (std::size_t k = 0; k < count; k += lanes) {
    const std::size_t left = count - k;
    const auto pre =
        hn::Add(load_lanes(dt + k, left), load_lanes(a.dt_bias + block.first + k, left));
    const auto [step, slope] = time_step_of(pre);
    const auto input = hn::Mul(step, load_lanes(x + k, left));
    hn::StoreU(step, d, w.step + i * kScanBlock + k);
    hn::StoreU(slope, d, w.slope + i * kScanBlock + k);
    hn::StoreU(input, d, w.input + i * kScanBlock + k);
    for (std::int64_t n = 0; n < states; ++n) {
      const std::int64_t at = i * plane + n * kScanBlock + static_cast<std::int64_t>(k);
      const auto rate = hn::LoadU(d, w.rates + n * kScanBlock + k);
      const auto decay = resets ? hn::Zero(d) : decay_of(hn::Mul(step, rate));
      hn::StoreU(decay, d, w.decays + at);
      const auto s =
          hn::MulAdd(decay, hn::LoadU(d, w.states + at), hn::Mul(input, hn::Set(d, b[n])));
      hn::StoreU(s, d, w.states + at + plane);
    }
  }
}

struct StateGradients {
  float d_b, d_c;
};

// State n of one token: takes `carry` from the state that leaves it to the one that enters it.
HWY_INLINE StateGradients backward_state(const ScanBackwardScratch& w, std::int64_t states,
                                         std::int64_t i, std::int64_t n, float b, float c,
                                         std::size_t count) {
  const FloatTag d;
  const std::int64_t plane = states * kScanBlock, at = i * plane + n * kScanBlock;
  const float* rates = w.rates + n * kScanBlock;
  float *carry = w.carry + n * kScanBlock, *d_rates = w.d_rates + n * kScanBlock;
  const auto b_lanes = hn::Set(d, b), c_lanes = hn::Set(d, c);
  auto d_b = hn::Zero(d), d_c = hn::Zero(d);
  for (std::size_t k = 0; k < count; k += hn::Lanes(d)) {
    const auto d_y = hn::LoadU(d, w.d_y + k);
    const auto g = hn::MulAdd(c_lanes, d_y, hn::LoadU(d, carry + k));
    d_c = hn::MulAdd(d_y, hn::LoadU(d, w.states + at + plane + static_cast<std::int64_t>(k)), d_c);
    d_b = hn::MulAdd(g, hn::LoadU(d, w.input + i * kScanBlock + k), d_b);
    add_to(w.u + k, hn::Mul(g, b_lanes));
    const auto kept = hn::Mul(g, hn::LoadU(d, w.decays + at + static_cast<std::int64_t>(k)));
    const auto weight = hn::Mul(kept, hn::LoadU(d, w.states + at + static_cast<std::int64_t>(k)));
    add_to(w.d_step + k, hn::Mul(weight, hn::LoadU(d, rates + k)));
    add_to(d_rates + k, hn::Mul(weight, hn::LoadU(d, w.step + i * kScanBlock + k)));
    hn::StoreU(kept, d, carry + k);
  }
  return {sum_lanes(d_b), sum_lanes(d_c)};
}

void backward_token(const BackwardArgs& a, const ScanBlock& block, const ScanBackwardScratch& w,
                    std::int64_t t, std::int64_t i, float* d_bc) {
  const FloatTag d;
  const std::int64_t states = a.shape.state, row = block.row;
  const std::size_t count = static_cast<std::size_t>(block.count), lanes = hn::Lanes(d);
  const float* x = a.at(a.x, a.x_strides, row, t) + block.first;
  const float *b = a.at(a.b, a.b_strides, row, t), *c = a.at(a.c, a.c_strides, row, t);
  std::copy_n(a.at(a.d_y, a.d_y_strides, row, t) + block.first, count, w.d_y);
  std::fill(w.d_y + count, w.d_y + kScanBlock, 0.0f);
  std::fill_n(w.u, kScanBlock, 0.0f);
  std::fill_n(w.d_step, kScanBlock, 0.0f);
  for (std::int64_t n = 0; n < states; ++n) {
    const StateGradients sums = backward_state(w, states, i, n, b[n], c[n], count);
    d_bc[n] = sums.d_b;
    d_bc[states + n] = sums.d_c;
  }
  float* d_x = a.d_x + row * a.d_x_strides.batch + t * a.d_x_strides.token + block.first;
  float* d_dt = a.d_dt + row * a.d_dt_strides.batch + t * a.d_dt_strides.token + block.first;
  for (std::size_t k = 0; k < count; k += lanes) {
    const std::size_t left = count - k;
    const auto x_lanes = load_lanes(x + k, left), d_y = hn::LoadU(d, w.d_y + k);
    const auto u = hn::LoadU(d, w.u + k), step = hn::LoadU(d, w.step + i * kScanBlock + k);
    const auto skip = hn::Mul(load_lanes(a.d + block.first + k, left), d_y);
    store_lanes(hn::MulAdd(step, u, skip), d_x + k, left);
    const auto d_step = hn::MulAdd(x_lanes, u, hn::LoadU(d, w.d_step + k));
    const auto d_pre = hn::Mul(d_step, hn::LoadU(d, w.slope + i * kScanBlock + k));
    store_lanes(d_pre, d_dt + k, left);
    add_to(w.d_bias + k, d_pre);
    add_to(w.d_d + k, hn::Mul(d_y, x_lanes));
  }
}

// Adds the sums of a chunk to those of the row: the rounding error stays that of a chunk.
void flush_sums(const SelectiveScanShape& s, const ScanBlock& block, const ScanBackwardScratch& w,
                const ScanPartials& partials) {
  const auto flush = [&](float* from, float* to) {
    for (std::int64_t i = 0; i < block.count; ++i) to[block.first + i] += from[i];
    std::fill_n(from, kScanBlock, 0.0f);
  };
  for (std::int64_t n = 0; n < s.state; ++n) {
    flush(w.d_rates + n * kScanBlock, partials.d_rates + (block.row * s.state + n) * s.channels);
  }
  flush(w.d_bias, partials.d_bias + block.row * s.channels);
  flush(w.d_d, partials.d_d + block.row * s.channels);
}

void clear_sums(const SelectiveScanShape& s, const ScanBlock& block, const ScanBackwardScratch& w,
                const ScanPartials& partials) {
  const auto clear = [&](float* row) { std::fill_n(row + block.first, block.count, 0.0f); };
  for (std::int64_t n = 0; n < s.state; ++n) {
    clear(partials.d_rates + (block.row * s.state + n) * s.channels);
  }
  clear(partials.d_bias + block.row * s.channels);
  clear(partials.d_d + block.row * s.channels);
  std::fill_n(w.d_rates, s.state * kScanBlock, 0.0f);
  std::fill_n(w.d_bias, kScanBlock, 0.0f);
  std::fill_n(w.d_d, kScanBlock, 0.0f);
}

void backward_block(const BackwardArgs& a, const ScanBlock& block, const ScanPartials& partials,
                    float* scratch) {
  const SelectiveScanShape& s = a.shape;
  const ScanBackwardScratch w(scratch, s.state);
  const std::int64_t size = s.state * s.channels, blocks = divide_up(s.channels, kScanBlock);
  fill_rates(a, block, w.rates);
  clear_sums(s, block, w, partials);
  if (a.d_final_state != nullptr) {
    load_block(a.d_final_state + block.row * size, s.channels, block, s.state, w.carry);
  } else {
    std::fill_n(w.carry, s.state * kScanBlock, 0.0f);
  }
  float* d_bc = partials.d_bc + (block.row * blocks + block.index) * s.tokens * 2 * s.state;
  for (std::int64_t chunk = s.chunks() - 1; chunk >= 0; --chunk) {
    const std::int64_t begin = chunk * kSelectiveScanChunk;
    const std::int64_t end = std::min(s.tokens, begin + kSelectiveScanChunk);
    load_block(a.chunk_states + (block.row * s.chunks() + chunk) * size, s.channels, block, s.state,
               w.states);
    for (std::int64_t t = begin; t < end; ++t) replay_token(a, block, w, t, t - begin);
    for (std::int64_t t = end - 1; t >= begin; --t) {
      backward_token(a, block, w, t, t - begin, d_bc + t * 2 * s.state);
    }
    flush_sums(s, block, w, partials);
  }
  if (a.d_initial_state != nullptr) {
    store_block(w.carry, s.channels, block, s.state, a.d_initial_state + block.row * size);
  }
}

}  // namespace
}  // namespace peryton::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace peryton::kernels {
HWY_EXPORT(backward_block);

void scan_backward_block(const SelectiveScanBackwardArgs<float>& args, const ScanBlock& block,
                         const ScanPartials& partials, float* scratch) {
  HWY_DYNAMIC_DISPATCH(backward_block)(args, block, partials, scratch);
}

}  // namespace peryton::kernels
#endif
