// How the vector code cuts its work: a block of channels of one row is a task, and everything of a
// block lies in dense rows of kScanBlock elements, padded with zeros.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "kernels/selective_scan/selective_scan.h"

namespace peryton::kernels {

// A multiple of the lanes of every vector type. Fixed, so that the cut does not depend on the
// machine.
inline constexpr std::int64_t kScanBlock = 64;

struct ScanBlock {
  std::int64_t row, index, first, count;  // channels [first, first + count)

  ScanBlock(const SelectiveScanShape& shape, std::int64_t task) {
    const std::int64_t blocks = divide_up(shape.channels, kScanBlock);
    row = task / blocks;
    index = task % blocks;
    first = index * kScanBlock;
    count = std::min(kScanBlock, shape.channels - first);
  }
  static std::int64_t tasks(const SelectiveScanShape& shape) {
    return shape.batch * divide_up(shape.channels, kScanBlock);
  }
};

// Scratch of a forward task: A and the state, [N][kScanBlock] each.
constexpr std::int64_t scan_forward_scratch(const SelectiveScanShape& shape) {
  return 2 * shape.state * kScanBlock;
}

// Scratch of a backward task, in rows of kScanBlock.
struct ScanBackwardScratch {
  float *rates, *carry, *d_rates;  // [N]: A, g, sums of dA within a chunk
  float *states, *decays;          // [chunk + 1][N] entering each token, [chunk][N]
  float *step, *input;             // [chunk]: Delta, Delta x
  float* slope;                    // [chunk]: d Delta / d dt
  float *d_y, *u, *d_step;         // one row each
  float *d_bias, *d_d;             // one row each: sums within a chunk

  static constexpr std::int64_t size(std::int64_t state) {
    constexpr std::int64_t kChunk = kSelectiveScanChunk;
    return kScanBlock * (3 * state + (2 * kChunk + 1) * state + 3 * kChunk + 5);
  }
  ScanBackwardScratch(float* memory, std::int64_t state) {
    const auto take = [&](std::int64_t rows) {
      float* part = memory;
      memory += rows * kScanBlock;
      return part;
    };
    constexpr std::int64_t kChunk = kSelectiveScanChunk;
    rates = take(state);
    carry = take(state);
    d_rates = take(state);
    states = take((kChunk + 1) * state);
    decays = take(kChunk * state);
    step = take(kChunk);
    input = take(kChunk);
    slope = take(kChunk);
    d_y = take(1);
    u = take(1);
    d_step = take(1);
    d_bias = take(1);
    d_d = take(1);
  }
};

// What backward tasks leave for the sums over blocks and rows.
struct ScanPartials {
  float* d_bc;          // [B][blocks][T][2 N]: dB, dC
  float* d_rates;       // [B][N][channels]: dA
  float *d_bias, *d_d;  // [B][channels]

  static std::int64_t size(const SelectiveScanShape& s) {
    const std::int64_t blocks = divide_up(s.channels, kScanBlock);
    return s.batch * (blocks * s.tokens * 2 * s.state + (s.state + 2) * s.channels);
  }
  ScanPartials(float* memory, const SelectiveScanShape& s) {
    const std::int64_t blocks = divide_up(s.channels, kScanBlock);
    d_bc = memory;
    d_rates = d_bc + s.batch * blocks * s.tokens * 2 * s.state;
    d_bias = d_rates + s.batch * s.state * s.channels;
    d_d = d_bias + s.batch * s.channels;
  }
};

void scan_forward_block(const SelectiveScanForwardArgs<float>& args, const ScanBlock& block,
                        float* scratch);
void scan_backward_block(const SelectiveScanBackwardArgs<float>& args, const ScanBlock& block,
                         const ScanPartials& partials, float* scratch);

}  // namespace peryton::kernels
