// SPDX-License-Identifier: Apache-2.0
#include <random>
#include <string>

#include "kernels/common/isa.h"
#include "tests/perf/kernels/peaks.h"
#include "tests/perf/kernels/support.h"

namespace peryton::perf {

std::vector<float> random_floats(std::int64_t count, std::uint32_t seed) {
  std::minstd_rand engine(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = uniform(engine);
  return values;
}

void report_flops(benchmark::State& state, double per_iteration, int threads) {
  const double total = per_iteration * static_cast<double>(state.iterations()) * 1e-9;
  state.counters["GFLOP/s"] = benchmark::Counter(total, benchmark::Counter::kIsRate);
  state.counters["of_peak"] =
      benchmark::Counter(total / (fma_peak() * threads), benchmark::Counter::kIsRate);
}

void report_bytes(benchmark::State& state, double per_iteration) {
  const double total = per_iteration * static_cast<double>(state.iterations()) * 1e-9;
  state.counters["GB/s"] = benchmark::Counter(total, benchmark::Counter::kIsRate);
  state.counters["of_read"] =
      benchmark::Counter(total / read_bandwidth(), benchmark::Counter::kIsRate);
}

}  // namespace peryton::perf

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  peryton::kernels::cap_isa_from_environment();
  benchmark::AddCustomContext("instruction set", peryton::kernels::active_isa());
  benchmark::AddCustomContext("one core, multiply-adds (GFLOP/s)",
                              std::to_string(peryton::perf::fma_peak()));
  benchmark::AddCustomContext("one core, reads (GB/s)",
                              std::to_string(peryton::perf::read_bandwidth()));
  benchmark::RunSpecifiedBenchmarks();
}
