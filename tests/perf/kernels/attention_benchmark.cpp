// Causal attention of the hybrid's GPT-NeoX: 8 heads of 64, rows of 512 tokens.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/attention/attention.h"
#include "kernels/gemm/gemm.h"
#include "tests/perf/kernels/support.h"

namespace peryton::perf {
namespace {

constexpr std::int64_t kTokens = 512, kHeads = 8, kWidth = 64, kColumns = kHeads * kWidth;

kernels::AttentionShape shape() {
  return {.batch = 1,
          .queries = kTokens,
          .heads = kHeads,
          .kv_heads = kHeads,
          .width = kWidth,
          .scale = 0.125};
}

// Part `index` of queries, keys and values side by side.
template <class T>
kernels::HeadView<T> part(T* fused, std::int64_t index) {
  return {fused + index * kColumns, kTokens * 3 * kColumns, 3 * kColumns, kWidth};
}

// Half of the keys, on average: a product is 2 * T * T / 2 * width per head.
double product_flops() { return static_cast<double>(kTokens * kTokens * kWidth * kHeads); }

struct Case {
  int threads;
  bool dots;  // bf16
  Floats fused = random_tensor(kTokens * 3 * kColumns);
  Floats output = Floats(kTokens * kColumns);
  std::vector<float> log_sum = std::vector<float>(kHeads * kTokens);
  Floats workspace;

  explicit Case(const benchmark::State& state)
      : threads(static_cast<int>(state.range(1))), dots(state.range(0) != 0) {
    workspace.resize(static_cast<std::size_t>(
        std::max(kernels::attention_forward_workspace(shape(), threads),
                 kernels::attention_backward_workspace(shape(), threads))));
  }
  kernels::HeadView<float> heads(Floats& of) const {
    return {of.data(), kTokens * kColumns, kColumns, kWidth};
  }
  kernels::Context context() const { return {.device = {}, .threads = threads, .bf16_dots = dots}; }
  void forward() {
    kernels::cpu::attention_forward<float>({.shape = shape(),
                                            .q = part<const float>(fused.data(), 0),
                                            .k = part<const float>(fused.data(), 1),
                                            .v = part<const float>(fused.data(), 2),
                                            .output = heads(output),
                                            .log_sum = log_sum.data(),
                                            .workspace = workspace.data()},
                                           context());
  }
};

void attention_forward(benchmark::State& state) {
  Case of(state);
  if (of.dots && !kernels::has_bf16_dots()) return state.SkipWithError("no AVX512_BF16 here");
  for (auto _ : state) of.forward();
  report_flops(state, 2 * product_flops(), of.threads);
}

void attention_backward(benchmark::State& state) {
  Case of(state);
  if (of.dots && !kernels::has_bf16_dots()) return state.SkipWithError("no AVX512_BF16 here");
  of.forward();
  Floats d_output = random_tensor(kTokens * kColumns, 2), d_fused(of.fused.size());
  for (auto _ : state) {
    kernels::cpu::attention_backward<float>({.shape = shape(),
                                             .q = part<const float>(of.fused.data(), 0),
                                             .k = part<const float>(of.fused.data(), 1),
                                             .v = part<const float>(of.fused.data(), 2),
                                             .output = of.heads(of.output),
                                             .d_output = of.heads(d_output),
                                             .log_sum = of.log_sum.data(),
                                             .d_q = part(d_fused.data(), 0),
                                             .d_k = part(d_fused.data(), 1),
                                             .d_v = part(d_fused.data(), 2),
                                             .workspace = of.workspace.data()},
                                            of.context());
  }
  report_flops(state, 5 * product_flops(), of.threads);
}

// bf16: factors rounded to it, as Context::bf16_dots asks.
void register_case(benchmark::internal::Benchmark* of) {
  of->ArgNames({"bf16", "threads"})
      ->ArgsProduct({{0, 1}, {1, 2}})
      ->Unit(benchmark::kMillisecond)
      ->UseRealTime();
}
BENCHMARK(attention_forward)->Apply(register_case);
BENCHMARK(attention_backward)->Apply(register_case);

}  // namespace
}  // namespace peryton::perf
