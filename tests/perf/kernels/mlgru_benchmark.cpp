// The recurrence of MatMul-free models at the width of the 2.7B model, 2048 tokens. Bytes are those
// that must be read and written at least once: u, v, h forward; u, v, h, d_h, d_u, d_v backward.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/mlgru/mlgru.h"
#include "tests/perf/kernels/support.h"

namespace peryton::perf {
namespace {

constexpr std::int64_t kTokens = 2048, kChannels = 2560;

struct Arrays {
  std::vector<float> u = random_floats(kTokens * kChannels), v = random_floats(u.size(), 2);
  std::vector<float> bound = std::vector<float>(kChannels, 0.5f);
  std::vector<float> h = std::vector<float>(u.size());

  void fill(kernels::MlgruArgs<float>& args) const {
    args.batch = 1, args.tokens = args.chunk = kTokens, args.channels = kChannels;
    args.u = u.data(), args.v = v.data(), args.bound = bound.data();
    args.u_strides = args.v_strides = {kTokens * kChannels, kChannels};
  }
};

void mlgru_forward(benchmark::State& state) {
  Arrays arrays;
  kernels::MlgruForwardArgs<float> args{};
  arrays.fill(args);
  args.h = arrays.h.data(), args.h_strides = args.u_strides;
  for (auto _ : state) kernels::cpu::mlgru(args, team(1));
  report_bytes(state, 4.0 * 3 * kTokens * kChannels);
}

void mlgru_backward(benchmark::State& state) {
  const Arrays arrays;
  const std::vector<float> d_h = random_floats(kTokens * kChannels, 3);
  std::vector<float> d_u(d_h.size()), d_v(d_h.size());
  std::vector<float> workspace(kernels::mlgru_backward_workspace(1, 1, kChannels));
  kernels::MlgruBackwardArgs<float> args{};
  arrays.fill(args);
  args.h = arrays.h.data(), args.d_h = d_h.data(), args.d_u = d_u.data(), args.d_v = d_v.data();
  args.h_strides = args.d_h_strides = args.d_u_strides = args.d_v_strides = args.u_strides;
  args.workspace = workspace.data();
  for (auto _ : state) kernels::cpu::mlgru_backward(args, team(1));
  report_bytes(state, 4.0 * 6 * kTokens * kChannels);
}

BENCHMARK(mlgru_forward)->Unit(benchmark::kMillisecond);
BENCHMARK(mlgru_backward)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace peryton::perf
