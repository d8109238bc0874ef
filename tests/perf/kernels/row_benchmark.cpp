// Kernels whose cost is memory: convolution, norms, activation, on 2048 tokens. Bytes are those
// that must be read and written at least once.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/activation/activation.h"
#include "kernels/causal_conv1d/causal_conv1d.h"
#include "kernels/gated_rms_norm/gated_rms_norm.h"
#include "kernels/norm/norm.h"
#include "tests/perf/kernels/support.h"

namespace peryton::perf {
namespace {

constexpr std::int64_t kRows = 2048;

double array_bytes(std::int64_t width, int arrays) {
  return 4.0 * arrays * static_cast<double>(kRows * width);
}

void conv_forward(benchmark::State& state) {
  constexpr std::int64_t kChannels = 1280, kTaps = 4;
  const std::vector<float> input = random_floats(kRows * kChannels);
  const std::vector<float> weight = random_floats(kTaps * kChannels);
  std::vector<float> output(input.size());
  kernels::CausalConv1dForwardArgs<float> args{};
  args.batch = 1, args.tokens = kRows, args.channels = kChannels, args.width = kTaps;
  args.input = input.data();
  args.weight = weight.data();
  args.silu = true;
  args.output = output.data();
  args.input_strides = args.output_strides = {kRows * kChannels, kChannels};
  for (auto _ : state) kernels::cpu::causal_conv1d(args, team(1));
  report_bytes(state, array_bytes(kChannels, 2));
}

void gated_norm_forward(benchmark::State& state) {
  constexpr std::int64_t kWidth = 1024;
  const std::vector<float> y = random_floats(kRows * kWidth), z = random_floats(kRows * kWidth, 2);
  const std::vector<float> weight(kWidth, 1.0f);
  std::vector<float> output(y.size()), inverse_rms(kRows);
  kernels::GatedRmsNormForwardArgs<float> args{};
  args.rows = kRows, args.width = kWidth, args.groups = 1, args.eps = 1e-5;
  args.y = y.data(), args.z = z.data(), args.weight = weight.data(), args.output = output.data();
  args.y_stride = args.z_stride = args.output_stride = kWidth;
  args.inverse_rms = inverse_rms.data();
  for (auto _ : state) kernels::cpu::gated_rms_norm(args, team(1));
  report_bytes(state, array_bytes(kWidth, 3));
}

void norm_forward(benchmark::State& state, bool centre) {
  constexpr std::int64_t kWidth = 512;
  const std::vector<float> input = random_floats(kRows * kWidth), ones(kWidth, 1.0f);
  std::vector<float> output(input.size()), mean(kRows), rstd(kRows);
  for (auto _ : state) {
    kernels::cpu::norm_forward<float>({.output = output.data(),
                                       .input = input.data(),
                                       .weight = ones.data(),
                                       .bias = centre ? ones.data() : nullptr,
                                       .mean = centre ? mean.data() : nullptr,
                                       .rstd = rstd.data(),
                                       .rows = kRows,
                                       .width = kWidth,
                                       .output_stride = kWidth,
                                       .input_stride = kWidth,
                                       .eps = 1e-5},
                                      team(1));
  }
  report_bytes(state, array_bytes(kWidth, 2));
}

void layer_norm_forward(benchmark::State& state) { norm_forward(state, true); }

void rms_norm_forward(benchmark::State& state) { norm_forward(state, false); }

void gelu_forward(benchmark::State& state) {
  constexpr std::int64_t kWidth = 2048;
  const std::vector<float> input = random_floats(kRows * kWidth);
  std::vector<float> output(input.size());
  for (auto _ : state) {
    kernels::cpu::activation_forward<float>({.kind = kernels::Activation::kGeluErf,
                                             .output = output.data(),
                                             .input = input.data(),
                                             .rows = kRows,
                                             .width = kWidth,
                                             .output_stride = kWidth,
                                             .input_stride = kWidth},
                                            team(1));
  }
  report_bytes(state, array_bytes(kWidth, 2));
}

void gelu_backward(benchmark::State& state) {
  constexpr std::int64_t kWidth = 2048;
  const std::vector<float> input = random_floats(kRows * kWidth);
  const std::vector<float> d_output = random_floats(kRows * kWidth, 2);
  std::vector<float> d_input(input.size());
  for (auto _ : state) {
    kernels::cpu::activation_backward<float>({.kind = kernels::Activation::kGeluErf,
                                              .d_input = d_input.data(),
                                              .d_output = d_output.data(),
                                              .input = input.data(),
                                              .rows = kRows,
                                              .width = kWidth,
                                              .d_input_stride = kWidth,
                                              .d_output_stride = kWidth,
                                              .input_stride = kWidth},
                                             team(1));
  }
  report_bytes(state, array_bytes(kWidth, 3));
}

BENCHMARK(conv_forward)->Unit(benchmark::kMillisecond);
BENCHMARK(gated_norm_forward)->Unit(benchmark::kMillisecond);
BENCHMARK(layer_norm_forward)->Unit(benchmark::kMillisecond);
BENCHMARK(rms_norm_forward)->Unit(benchmark::kMillisecond);
BENCHMARK(gelu_forward)->Unit(benchmark::kMillisecond);
BENCHMARK(gelu_backward)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace peryton::perf
