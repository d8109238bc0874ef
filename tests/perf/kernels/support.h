// What the benchmarks of kernels share. A new file *_benchmark.cpp in this folder is found by the
// build; it registers its cases with BENCHMARK and reports through these functions.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <benchmark/benchmark.h>
#include <sys/mman.h>

#include <cstdint>
#include <new>
#include <vector>

#include "kernels/common/context.h"

namespace peryton::perf {

// Uniform in [-1, 1), the same for the same count and seed.
std::vector<float> random_floats(std::int64_t count, std::uint32_t seed = 1);

// Memory as tensors have it: aligned, large pieces on huge pages.
template <class T>
struct TensorMemory {
  using value_type = T;
  static constexpr std::size_t kHugePage = 2 << 20;

  TensorMemory() = default;
  T* allocate(std::size_t count) {
    void* data = ::operator new(count * sizeof(T), std::align_val_t(kHugePage));
    if (count * sizeof(T) >= kHugePage) madvise(data, count * sizeof(T), MADV_HUGEPAGE);
    return static_cast<T*>(data);
  }
  void deallocate(T* data, std::size_t) { ::operator delete(data, std::align_val_t(kHugePage)); }
  bool operator==(const TensorMemory&) const = default;
};
using Floats = std::vector<float, TensorMemory<float>>;

inline Floats random_tensor(std::int64_t count, std::uint32_t seed = 1) {
  const std::vector<float> values = random_floats(count, seed);
  return {values.begin(), values.end()};
}

// Counters of a benchmark whose iteration does this many floating-point operations (a multiply-add
// is two) on this many threads: GFLOP/s, and the part of the cores' multiply-add peak.
void report_flops(benchmark::State& state, double per_iteration, int threads = 1);

// The same for bytes that memory must deliver or take at least: GB/s, and the part of the read
// bandwidth of one core. Above 1 the data lay in a cache.
void report_bytes(benchmark::State& state, double per_iteration);

inline kernels::Context team(int threads) { return {.device = {}, .threads = threads}; }

}  // namespace peryton::perf
