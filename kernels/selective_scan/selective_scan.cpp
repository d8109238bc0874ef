// Tasks over blocks of channels, and the sums over blocks and rows, in order.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/selective_scan/selective_scan.h"

#include <cmath>

#include "kernels/common/argument_error.h"
#include "kernels/selective_scan/scan_block.h"

namespace peryton::kernels {
namespace {

void check(const SelectiveScanShape& s) {
  require(s.batch > 0 && s.tokens > 0 && s.channels > 0 && s.state > 0, "selective_scan",
          "an empty shape: ", s.batch, " x ", s.tokens, " x ", s.channels, ", state ", s.state);
}

// dB and dC of every token: the blocks' parts in order.
void sum_blocks(const SelectiveScanBackwardArgs<float>& a, const ScanPartials& partials,
                const Context& context) {
  const SelectiveScanShape& s = a.shape;
  const std::int64_t blocks = divide_up(s.channels, kScanBlock);
  constexpr std::int64_t kTokens = 64;
  parallel_blocks(context, s.batch * s.tokens, kTokens, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t row = i / s.tokens, t = i % s.tokens;
      float* d_b = a.d_b + row * a.d_b_strides.batch + t * a.d_b_strides.token;
      float* d_c = a.d_c + row * a.d_c_strides.batch + t * a.d_c_strides.token;
      for (std::int64_t block = 0; block < blocks; ++block) {
        const float* part = partials.d_bc + ((row * blocks + block) * s.tokens + t) * 2 * s.state;
        for (std::int64_t n = 0; n < s.state; ++n) {
          d_b[n] = block == 0 ? part[n] : d_b[n] + part[n];
          d_c[n] = block == 0 ? part[s.state + n] : d_c[n] + part[s.state + n];
        }
      }
    }
  });
}

// d a_log = A dA, d dt_bias and dD of a channel: the rows' parts in order.
void sum_rows(const SelectiveScanBackwardArgs<float>& a, const ScanPartials& partials,
              const Context& context) {
  const SelectiveScanShape& s = a.shape;
  const auto over_rows = [&](const float* part, std::int64_t stride) {
    float sum = 0;
    for (std::int64_t row = 0; row < s.batch; ++row) sum += part[row * stride];
    return sum;
  };
  parallel_blocks(context, s.channels, kScanBlock, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      if (a.d_dt_bias != nullptr) a.d_dt_bias[i] = over_rows(partials.d_bias + i, s.channels);
      if (a.d_d != nullptr) a.d_d[i] = over_rows(partials.d_d + i, s.channels);
      for (std::int64_t n = 0; a.d_a_log != nullptr && n < s.state; ++n) {
        const std::int64_t at = i * s.state + n;
        const float sum = over_rows(partials.d_rates + n * s.channels + i, s.state * s.channels);
        a.d_a_log[at] = -std::exp(a.a_log[at]) * sum;
      }
    }
  });
}

std::int64_t reference_workspace(const SelectiveScanShape& s) { return (s.tokens + 2) * s.state; }

}  // namespace

std::int64_t selective_scan_forward_workspace(const SelectiveScanShape& shape, int threads) {
  return std::max(reference_workspace(shape), threads * scan_forward_scratch(shape));
}

std::int64_t selective_scan_backward_workspace(const SelectiveScanShape& shape, int threads) {
  return std::max(reference_workspace(shape),
                  threads * ScanBackwardScratch::size(shape.state) + ScanPartials::size(shape));
}

namespace cpu {

template <>
void selective_scan_forward(const SelectiveScanForwardArgs<float>& args, float* workspace,
                            const Context& context) {
  const SelectiveScanShape& s = args.shape;
  check(s);
  parallel_for_worker(context, ScanBlock::tasks(s), [&](std::int64_t task, int worker) {
    scan_forward_block(args, ScanBlock(s, task), workspace + worker * scan_forward_scratch(s));
  });
}

template <>
void selective_scan_backward(const SelectiveScanBackwardArgs<float>& args, float* workspace,
                             const Context& context) {
  const SelectiveScanShape& s = args.shape;
  check(s);
  const ScanPartials partials(workspace, s);
  float* scratch = workspace + ScanPartials::size(s);
  parallel_for_worker(context, ScanBlock::tasks(s), [&](std::int64_t task, int worker) {
    scan_backward_block(args, ScanBlock(s, task), partials,
                        scratch + worker * ScanBackwardScratch::size(s.state));
  });
  sum_blocks(args, partials, context);
  sum_rows(args, partials, context);
}

template <>
void selective_scan_forward(const SelectiveScanForwardArgs<double>& args, double* workspace,
                            const Context&) {
  check(args.shape);
  reference::selective_scan_forward(args, workspace);
}

template <>
void selective_scan_backward(const SelectiveScanBackwardArgs<double>& args, double* workspace,
                             const Context&) {
  check(args.shape);
  reference::selective_scan_backward(args, workspace);
}

}  // namespace cpu
}  // namespace peryton::kernels
