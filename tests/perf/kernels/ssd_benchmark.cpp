// The scan of Mamba-2 at H = 16, P = 64, N = 128, T = 2048, chunks of 64, with products of floats
// or of bfloat16 pairs.
// SPDX-License-Identifier: Apache-2.0
#include <sys/mman.h>

#include <new>

#include "kernels/gemm/gemm.h"
#include "kernels/ssd/ssd.h"
#include "tests/perf/kernels/support.h"

namespace peryton::perf {
namespace {

constexpr std::int64_t kChunk = 64;
constexpr kernels::SsdShape kShape{1, 2048, 16, 64, 128, 1};
constexpr std::int64_t kInner = kShape.heads * kShape.head_dim;
constexpr std::int64_t kRow = kInner + 2 * kShape.state;

struct Scan {
  Floats xbc = random_tensor(kShape.tokens * kRow);
  Floats dt = random_tensor(kShape.tokens * kShape.heads, 2);
  std::vector<float> a_log = std::vector<float>(16, 0.5f), bias = std::vector<float>(16, -2.0f);
  std::vector<float> d = std::vector<float>(16, 1.0f);
  std::vector<kernels::SsdChunk> chunks = std::vector<kernels::SsdChunk>(kShape.tokens / kChunk);
  std::vector<std::int64_t> row_begin{0, kShape.tokens / kChunk};
  Floats states =
      Floats(chunks.size() * static_cast<std::size_t>(kShape.heads * kShape.state_elements()));
  Floats y = random_tensor(kShape.tokens * kInner, 3);

  Scan() { kernels::ssd_fill_chunks(kShape.tokens, kChunk, nullptr, false, chunks); }
  kernels::SsdChunkTable table() const { return {chunks.data(), row_begin.data()}; }
  void fill(kernels::SsdArgs<float>& args) const {
    args.shape = kShape;
    args.x = xbc.data();
    args.b = args.x + kInner;
    args.c = args.b + kShape.state;
    args.x_strides = args.b_strides = args.c_strides = {kShape.tokens * kRow, kRow};
    args.dt = dt.data();
    args.dt_strides = {kShape.tokens * kShape.heads, kShape.heads};
    args.a_log = a_log.data();
    args.dt_bias = bias.data();
    args.d = d.data();
    args.dt_min = 0;
    args.dt_max = 1e30f;
  }
};

// Useful work: 4 P N per token and head, what the recurrence itself needs.
double useful_flops() {
  return 4.0 * static_cast<double>(kShape.head_dim * kShape.state * kShape.tokens * kShape.heads);
}

// Arguments are the number of threads, and whether products are of bfloat16 pairs.
kernels::Context context_of(const benchmark::State& state) {
  kernels::Context context = team(static_cast<int>(state.range(0)));
  context.bf16_dots = state.range(1) != 0;
  return context;
}

void forward(Scan& scan, Floats& workspace, const kernels::Context& context) {
  kernels::SsdForwardArgs<float> args{};
  scan.fill(args);
  args.y = scan.y.data();
  args.y_strides = {kShape.tokens * kInner, kInner};
  args.chunk_states = scan.states.data();
  kernels::cpu::ssd_forward(args, scan.table(), kChunk, workspace.data(), context);
}

void ssd_forward(benchmark::State& state) {
  const kernels::Context context = context_of(state);
  const int threads = context.threads;
  Scan scan;
  Floats workspace(
      static_cast<std::size_t>(kernels::ssd_forward_workspace(kShape, kChunk, threads)));
  for (auto _ : state) forward(scan, workspace, context);
  report_flops(state, useful_flops(), threads);
}

// Counted as three times the forward.
void ssd_backward(benchmark::State& state) {
  const kernels::Context context = context_of(state);
  const int threads = context.threads;
  Scan scan;
  Floats workspace(
      static_cast<std::size_t>(kernels::ssd_forward_workspace(kShape, kChunk, threads)));
  forward(scan, workspace, context);
  workspace.resize(
      static_cast<std::size_t>(kernels::ssd_backward_workspace(kShape, kChunk, threads)));
  Floats d_xbc(scan.xbc.size()), d_dt(scan.dt.size()), heads(3 * 16);
  kernels::SsdBackwardArgs<float> args{};
  scan.fill(args);
  args.chunk_states = scan.states.data();
  args.d_y = scan.y.data();
  args.d_y_strides = {kShape.tokens * kInner, kInner};
  args.d_x = d_xbc.data();
  args.d_b = args.d_x + kInner;
  args.d_c = args.d_b + kShape.state;
  args.d_x_strides = args.d_b_strides = args.d_c_strides = args.x_strides;
  args.d_dt = d_dt.data();
  args.d_dt_strides = args.dt_strides;
  args.d_a_log = heads.data();
  args.d_dt_bias = heads.data() + 16;
  args.d_d = heads.data() + 32;
  for (auto _ : state) {
    kernels::cpu::ssd_backward(args, scan.table(), kChunk, workspace.data(), context);
  }
  report_flops(state, 3 * useful_flops(), threads);
}

void variants(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"threads", "bf16"})->Unit(benchmark::kMillisecond)->UseRealTime();
  for (const int bf16 : {0, 1}) {
    if (bf16 != 0 && !kernels::has_bf16_dots()) continue;
    for (const int threads : {1, 2}) benchmark->Args({threads, bf16});
  }
}
BENCHMARK(ssd_forward)->Apply(variants);
BENCHMARK(ssd_backward)->Apply(variants);

}  // namespace
}  // namespace peryton::perf
