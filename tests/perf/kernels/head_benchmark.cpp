// Softmax cross-entropy over a vocabulary of 50,280, and the optimiser's update of as many numbers
// as its table has.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/adamw/adamw.h"
#include "kernels/cross_entropy/cross_entropy.h"
#include "tests/perf/kernels/support.h"

namespace peryton::perf {
namespace {

void head_loss(benchmark::State& state) {
  constexpr std::int64_t kTokens = 128, kVocabulary = 50280;
  const std::vector<float> logits = random_floats(kTokens * kVocabulary);
  std::vector<float> mixed(logits.size());
  const float* terms[] = {logits.data()};
  const std::int64_t stride = kVocabulary;
  const float coefficient = 1;
  const std::vector<std::int32_t> targets(kTokens, 7);
  std::vector<double> nll(kTokens), slopes(kTokens);
  for (auto _ : state) {
    kernels::cpu::cross_entropy<float>({.logits = terms,
                                        .strides = &stride,
                                        .coefficients = &coefficient,
                                        .count = 1,
                                        .rows = kTokens,
                                        .vocabulary = kVocabulary,
                                        .targets = targets.data(),
                                        .weights = nullptr,
                                        .mixed = mixed.data(),
                                        .nll = nll.data(),
                                        .d_coefficients = slopes.data(),
                                        .gradient = true},
                                       team(1));
  }
  report_bytes(state, 2 * 4.0 * static_cast<double>(kTokens * kVocabulary));
}

void adamw(benchmark::State& state) {
  constexpr std::int64_t kCount = 50280 * 512;
  std::vector<float> weights = random_floats(kCount), m(kCount), v(kCount);
  const std::vector<float> gradients = random_floats(kCount, 2);
  const kernels::AdamWArgs<float> args{.weights = weights.data(),
                                       .gradients = gradients.data(),
                                       .moment1 = m.data(),
                                       .moment2 = v.data(),
                                       .count = kCount,
                                       .gradient_scale = 1,
                                       .decay = 0,
                                       .beta1 = 0.9,
                                       .beta2 = 0.95,
                                       .epsilon = 1e-8,
                                       .step_size = 1e-3,
                                       .inverse_root_correction = 1};
  for (auto _ : state) kernels::cpu::adamw(args, team(1));
  report_bytes(state, 7 * 4.0 * static_cast<double>(kCount));
}

BENCHMARK(head_loss)->Unit(benchmark::kMillisecond);
BENCHMARK(adamw)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace peryton::perf
