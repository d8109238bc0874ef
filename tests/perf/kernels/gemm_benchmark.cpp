// The products of one hybrid step: 2048 tokens through frozen blocks and a vocabulary of 50,280.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/common/dtype.h"
#include "kernels/gemm/gemm.h"
#include "tests/perf/kernels/support.h"

namespace peryton::perf {
namespace {

// Arguments: m, n, k, whether a and b are transposed, threads.
void gemm(benchmark::State& state) {
  const std::int64_t m = state.range(0), n = state.range(1), k = state.range(2);
  const bool transpose_a = state.range(3) != 0, transpose_b = state.range(4) != 0;
  const int threads = static_cast<int>(state.range(5));
  const Floats a = random_tensor(m * k), b = random_tensor(n * k);
  Floats c(static_cast<std::size_t>(m * n));
  Floats workspace(static_cast<std::size_t>(kernels::gemm_workspace(m, n, k, threads)));
  for (auto _ : state) {
    kernels::cpu::gemm<float, float, float>({.transpose_a = transpose_a,
                                             .transpose_b = transpose_b,
                                             .m = m,
                                             .n = n,
                                             .k = k,
                                             .a = a.data(),
                                             .lda = transpose_a ? m : k,
                                             .b = b.data(),
                                             .ldb = transpose_b ? k : n,
                                             .c = c.data(),
                                             .ldc = n,
                                             .workspace = workspace.data()},
                                            team(threads));
  }
  const auto product = static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
  report_flops(state, 2 * product, threads);
}

BENCHMARK(gemm)
    ->ArgNames({"m", "n", "k", "ta", "tb", "threads"})
    ->Args({2048, 512, 512, 0, 1, 1})  // projector
    ->Args({2048, 512, 512, 0, 1, 2})
    ->Args({512, 512, 2048, 1, 0, 2})    // its weight gradient
    ->Args({2048, 2320, 512, 0, 1, 2})   // Mamba-2 in
    ->Args({2048, 512, 2320, 0, 0, 2})   // its input gradient
    ->Args({2048, 512, 1024, 0, 1, 2})   // Mamba-2 out
    ->Args({2048, 2048, 512, 0, 1, 2})   // up
    ->Args({2048, 512, 2048, 0, 1, 2})   // down
    ->Args({1024, 50280, 512, 0, 1, 2})  // logits of a chunk of tokens
    ->Args({1024, 512, 50280, 0, 0, 2})  // gradient of their hidden states
    ->Args({50280, 512, 1024, 1, 0, 2})  // gradient of the head
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

// Float rows times a transposed bfloat16 weight, as it lies, widened or with dot products.
// Arguments: m, n, k, whether with dot products, threads. Fewer than eight rows (generation) are
// bound by memory: the bytes of the weight count.
void gemm_bf16(benchmark::State& state) {
  const std::int64_t m = state.range(0), n = state.range(1), k = state.range(2);
  const bool dots = state.range(3) != 0;
  const int threads = static_cast<int>(state.range(4));
  if (dots && !kernels::has_bf16_dots()) return state.SkipWithError("no AVX512_BF16 here");
  const std::vector<float> a = random_floats(m * k), wide = random_floats(n * k);
  const std::vector<BFloat16> b(wide.begin(), wide.end());
  std::vector<float> c(static_cast<std::size_t>(m * n));
  std::vector<float> workspace(
      static_cast<std::size_t>(kernels::gemm_workspace<float, float, BFloat16>(m, n, k, threads)));
  for (auto _ : state) {
    kernels::cpu::gemm<float, float, BFloat16>({.transpose_b = true,
                                                .m = m,
                                                .n = n,
                                                .k = k,
                                                .a = a.data(),
                                                .lda = k,
                                                .b = b.data(),
                                                .ldb = k,
                                                .c = c.data(),
                                                .ldc = n,
                                                .bf16_dots = dots,
                                                .workspace = workspace.data()},
                                               team(threads));
  }
  const auto weights = static_cast<double>(n) * static_cast<double>(k);
  if (m < 8) return report_bytes(state, 2 * weights);
  report_flops(state, 2 * static_cast<double>(m) * weights, threads);
}

BENCHMARK(gemm_bf16)
    ->ArgNames({"m", "n", "k", "dots", "threads"})
    ->Args({2048, 512, 512, 0, 1})
    ->Args({2048, 512, 512, 1, 1})
    ->Args({2048, 2048, 512, 0, 2})
    ->Args({2048, 2048, 512, 1, 2})
    ->Args({1, 50280, 512, 0, 1})  // logits of one token
    ->Args({1, 50280, 512, 0, 2})
    ->Args({7, 50280, 512, 0, 1})
    ->Args({1, 2048, 512, 0, 1})  // up
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace
}  // namespace peryton::perf
