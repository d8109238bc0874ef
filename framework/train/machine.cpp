// SPDX-License-Identifier: Apache-2.0
#include "framework/train/machine.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>

#include "framework/ops/matrix.h"

namespace peryton {
namespace {

double measure(const kernels::Context& context) {
  constexpr std::int64_t kRows = 512, kSide = 384;
  const Tensor a = Tensor::full(DType::kFloat32, {kRows, kSide}, 1.0);
  const Tensor b = Tensor::full(DType::kFloat32, {kSide, kSide}, 1.0);
  const Tensor c = Tensor::empty(DType::kFloat32, {kRows, kSide});
  double best = 0;
  for (int repeat = 0; repeat < 6; ++repeat) {
    const auto start = std::chrono::steady_clock::now();
    matrix_product(context, a, b, c, {.transpose_b = true});
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    best = std::max(best, 2.0 * kRows * kSide * kSide / seconds.count());
  }
  return best;
}

}  // namespace

double peak_flops_per_second(const kernels::Context& context) {
  thread_local const double peak = measure(context);
  return peak;
}

std::int64_t peak_resident_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss * 1024;
}

}  // namespace peryton
