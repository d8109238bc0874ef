// The scan of Mamba at 1536 channels, N = 16, T = 512 (mamba-130m).
// SPDX-License-Identifier: Apache-2.0
#include "kernels/selective_scan/selective_scan.h"
#include "tests/perf/kernels/support.h"

namespace peryton::perf {
namespace {

constexpr kernels::SelectiveScanShape kShape{1, 512, 1536, 16};
constexpr kernels::TokenStrides kWide{kShape.tokens * kShape.channels, kShape.channels};
constexpr kernels::TokenStrides kNarrow{kShape.tokens * kShape.state, kShape.state};

struct Scan {
  std::vector<float> x = random_floats(kWide.batch), dt = random_floats(kWide.batch, 2);
  std::vector<float> b = random_floats(kNarrow.batch, 3), c = random_floats(kNarrow.batch, 4);
  std::vector<float> a_log = random_floats(kShape.channels * kShape.state, 5);
  std::vector<float> bias = random_floats(kShape.channels, 6), d = bias;
  std::vector<float> y = random_floats(kWide.batch, 7);
  std::vector<float> states = random_floats(kShape.chunks() * kShape.state * kShape.channels, 8);

  void fill(kernels::SelectiveScanArgs<float>& args) const {
    args.shape = kShape;
    args.x = x.data();
    args.dt = dt.data();
    args.b = b.data();
    args.c = c.data();
    args.x_strides = args.dt_strides = kWide;
    args.b_strides = args.c_strides = kNarrow;
    args.a_log = a_log.data();
    args.dt_bias = bias.data();
    args.d = d.data();
  }
};

// Counted work: decay, input and output of every state, 6 N per token and channel; the exponential
// that each state also takes is not counted.
double counted_flops() {
  return 6.0 * static_cast<double>(kShape.state * kShape.tokens * kShape.channels);
}

void selective_scan_forward(benchmark::State& state) {
  const int threads = static_cast<int>(state.range(0));
  Scan scan;
  std::vector<float> workspace(
      static_cast<std::size_t>(kernels::selective_scan_forward_workspace(kShape, threads)));
  kernels::SelectiveScanForwardArgs<float> args{};
  scan.fill(args);
  args.y = scan.y.data();
  args.y_strides = kWide;
  args.chunk_states = scan.states.data();
  for (auto _ : state) {
    kernels::cpu::selective_scan_forward(args, workspace.data(), team(threads));
  }
  report_flops(state, counted_flops(), threads);
}

// Counted as three times the forward.
void selective_scan_backward(benchmark::State& state) {
  const int threads = static_cast<int>(state.range(0));
  Scan scan;
  std::vector<float> workspace(
      static_cast<std::size_t>(kernels::selective_scan_backward_workspace(kShape, threads)));
  std::vector<float> d_x(scan.x.size()), d_dt(scan.dt.size()), d_b(scan.b.size()), d_c = d_b;
  kernels::SelectiveScanBackwardArgs<float> args{};
  scan.fill(args);
  args.chunk_states = scan.states.data();
  args.d_y = scan.y.data();
  args.d_x = d_x.data();
  args.d_dt = d_dt.data();
  args.d_b = d_b.data();
  args.d_c = d_c.data();
  args.d_y_strides = args.d_x_strides = args.d_dt_strides = kWide;
  args.d_b_strides = args.d_c_strides = kNarrow;
  for (auto _ : state) {
    kernels::cpu::selective_scan_backward(args, workspace.data(), team(threads));
  }
  report_flops(state, 3 * counted_flops(), threads);
}

BENCHMARK(selective_scan_forward)
    ->ArgName("threads")
    ->Arg(1)
    ->Arg(2)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK(selective_scan_backward)
    ->ArgName("threads")
    ->Arg(1)
    ->Arg(2)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace
}  // namespace peryton::perf
