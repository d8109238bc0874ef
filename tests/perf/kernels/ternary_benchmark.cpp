// BitLinear 2048 x 2048 on 512 tokens beside the float product of the same shape, and products of
// one token with packed matrices of 1 GB in all beside a plain sum over the same bytes.
// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#include <memory>
#include <random>

#include "kernels/bit_quantise/bit_quantise.h"
#include "kernels/gemm/gemm.h"
#include "kernels/ternary_gemm/ternary_gemm.h"
#include "tests/perf/kernels/peaks.h"
#include "tests/perf/kernels/support.h"

namespace peryton::perf {
namespace {

using kernels::TernaryShape;

constexpr std::int64_t kTokens = 512;
constexpr TernaryShape kSquare{2048, 2048};

// Any byte without a code 3.
std::vector<std::uint8_t> random_packed(std::int64_t bytes, std::uint32_t seed) {
  std::minstd_rand engine(seed);
  std::vector<std::uint8_t> packed(static_cast<std::size_t>(bytes));
  for (std::uint8_t& byte : packed) {
    const auto word = static_cast<std::uint8_t>(engine() >> 8);
    byte = static_cast<std::uint8_t>(word & ~(word >> 1 & 0x55));
  }
  return packed;
}

struct Rows {
  std::int64_t tokens, width;
  std::vector<std::int8_t> q;
  std::vector<float> scale, rstd;
  std::vector<std::int32_t> sum;
  std::unique_ptr<void, decltype(&std::free)> workspace{nullptr, &std::free};

  Rows(std::int64_t count, std::int64_t columns)
      : tokens(count),
        width(columns),
        q(static_cast<std::size_t>(count * TernaryShape{1, columns}.padded_columns())),
        scale(static_cast<std::size_t>(count)),
        rstd(scale.size()),
        sum(scale.size()) {}
  void quantise(const std::vector<float>& x, const std::vector<float>& gain, int threads) {
    kernels::cpu::bit_quantise<float>({.q = q.data(),
                                       .scale = scale.data(),
                                       .sum = sum.data(),
                                       .rstd = rstd.data(),
                                       .input = x.data(),
                                       .gain = gain.data(),
                                       .rows = tokens,
                                       .width = width,
                                       .input_stride = width,
                                       .q_stride = TernaryShape{1, width}.padded_columns(),
                                       .norm = true,
                                       .eps = 1e-6,
                                       .rounding = kernels::RoundHalf::kEven},
                                      team(threads));
  }
  void multiply(const std::uint8_t* packed, const TernaryShape& shape, float* y, int threads) {
    const std::int64_t bytes = kernels::ternary_gemm_workspace(shape, tokens);
    if (bytes > 0 && workspace == nullptr) {
      workspace.reset(std::aligned_alloc(64, static_cast<std::size_t>(bytes)));
    }
    kernels::cpu::ternary_gemm<float>({.output = y,
                                       .packed = packed,
                                       .shape = shape,
                                       .q = q.data(),
                                       .sums = sum.data(),
                                       .scales = scale.data(),
                                       .beta = 0.01f,
                                       .tokens = tokens,
                                       .output_stride = shape.rows,
                                       .q_stride = shape.padded_columns(),
                                       .workspace = workspace.get()},
                                      team(threads));
  }
};

void bit_linear_forward(benchmark::State& state) {
  const std::int64_t tokens = state.range(0);
  const int threads = static_cast<int>(state.range(1));
  const auto x = random_floats(tokens * kSquare.columns), gain = random_floats(kSquare.columns, 2);
  const auto packed = random_packed(kSquare.bytes(), 3);
  Rows rows(tokens, kSquare.columns);
  std::vector<float> y(static_cast<std::size_t>(tokens * kSquare.rows));
  for (auto _ : state) {
    rows.quantise(x, gain, threads);
    rows.multiply(packed.data(), kSquare, y.data(), threads);
  }
  report_flops(state, 2.0 * static_cast<double>(tokens * kSquare.rows) * kSquare.columns, threads);
}

void row_quantiser(benchmark::State& state) {
  const auto x = random_floats(kTokens * kSquare.columns), gain = random_floats(kSquare.columns, 2);
  Rows rows(kTokens, kSquare.columns);
  for (auto _ : state) rows.quantise(x, gain, 1);
  report_bytes(state, 5.0 * kTokens * kSquare.columns);
}

// What bit_linear_forward is compared with.
void float_linear_forward(benchmark::State& state) {
  const int threads = static_cast<int>(state.range(0));
  const auto x = random_floats(kTokens * kSquare.columns);
  const auto weight = random_floats(kSquare.rows * kSquare.columns, 2);
  std::vector<float> y(static_cast<std::size_t>(kTokens * kSquare.rows));
  std::vector<float> workspace(static_cast<std::size_t>(
      kernels::gemm_workspace(kTokens, kSquare.rows, kSquare.columns, threads)));
  for (auto _ : state) {
    kernels::cpu::gemm<float, float, float>({.transpose_a = false,
                                             .transpose_b = true,
                                             .m = kTokens,
                                             .n = kSquare.rows,
                                             .k = kSquare.columns,
                                             .a = x.data(),
                                             .lda = kSquare.columns,
                                             .b = weight.data(),
                                             .ldb = kSquare.columns,
                                             .c = y.data(),
                                             .ldc = kSquare.rows,
                                             .workspace = workspace.data()},
                                            team(threads));
  }
  report_flops(state, 2.0 * kTokens * kSquare.rows * kSquare.columns, threads);
}

void quantise_weight(benchmark::State& state) {
  const int threads = static_cast<int>(state.range(0));
  const auto weight = random_floats(kSquare.rows * kSquare.columns);
  const kernels::TernarySource<float> source{weight.data(), kSquare, kSquare.columns};
  std::vector<std::int64_t> partial(static_cast<std::size_t>(kSquare.row_tiles()));
  std::vector<std::uint8_t> packed(static_cast<std::size_t>(kSquare.bytes()));
  for (auto _ : state) {
    const auto sum = kernels::cpu::ternary_absolute_sum(source, partial.data(), team(threads));
    const auto scale = kernels::ternary_scale(sum, kSquare.rows * kSquare.columns,
                                              kernels::TernaryScaleMode::kFloat32);
    kernels::cpu::ternary_quantise(packed.data(), source, scale, team(threads));
  }
  report_bytes(state, 8.0 * kSquare.rows * kSquare.columns);
}

void transposed_product(benchmark::State& state) {
  const int threads = static_cast<int>(state.range(0));
  const auto d_y = random_floats(kTokens * kSquare.rows);
  const auto packed = random_packed(kSquare.bytes(), 3);
  std::vector<float> d_z(static_cast<std::size_t>(kTokens * kSquare.columns));
  std::vector<float> workspace(static_cast<std::size_t>(
      kernels::ternary_transposed_workspace(kSquare, kTokens, team(threads))));
  for (auto _ : state) {
    kernels::cpu::ternary_transposed_product({.output = d_z.data(),
                                              .d_output = d_y.data(),
                                              .packed = packed.data(),
                                              .shape = kSquare,
                                              .beta = 0.01f,
                                              .workspace = workspace.data(),
                                              .tokens = kTokens,
                                              .output_stride = kSquare.columns,
                                              .d_output_stride = kSquare.rows},
                                             team(threads));
  }
  report_flops(state, 2.0 * kTokens * kSquare.rows * kSquare.columns, threads);
}

constexpr TernaryShape kTall{13824, 2560};
constexpr std::int64_t kMatrices = 122;  // 1.08 GB packed

const std::vector<std::uint8_t>& many_matrices() {
  static const std::vector<std::uint8_t> packed = random_packed(kMatrices * kTall.bytes(), 4);
  return packed;
}

void packed_gemv(benchmark::State& state) {
  const auto x = random_floats(kTall.columns), gain = random_floats(kTall.columns, 2);
  const std::uint8_t* packed = many_matrices().data();
  Rows rows(1, kTall.columns);
  std::vector<float> y(static_cast<std::size_t>(kTall.rows));
  for (auto _ : state) {
    for (std::int64_t i = 0; i < kMatrices; ++i) {
      rows.quantise(x, gain, 1);
      rows.multiply(packed + i * kTall.bytes(), kTall, y.data(), 1);
    }
    benchmark::DoNotOptimize(y.data());
  }
  report_bytes(state, static_cast<double>(kMatrices * kTall.bytes()));
}

void read_sum(benchmark::State& state) {
  const auto* words = reinterpret_cast<const std::uint64_t*>(many_matrices().data());
  const std::int64_t count = kMatrices * kTall.bytes() / 8;
  for (auto _ : state) benchmark::DoNotOptimize(read_all(words, count));
  report_bytes(state, 8.0 * static_cast<double>(count));
}

BENCHMARK(bit_linear_forward)
    ->ArgNames({"tokens", "threads"})
    ->ArgsProduct({{1, 8, 63, 64, kTokens}, {1, 2}})
    ->UseRealTime();
BENCHMARK(float_linear_forward)->ArgName("threads")->Arg(1)->Arg(2)->UseRealTime();
BENCHMARK(row_quantiser)->UseRealTime();
BENCHMARK(quantise_weight)->ArgName("threads")->Arg(1)->Arg(2)->UseRealTime();
BENCHMARK(transposed_product)->ArgName("threads")->Arg(1)->Arg(2)->UseRealTime();
BENCHMARK(packed_gemv)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(read_sum)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace peryton::perf
