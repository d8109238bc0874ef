// SPDX-License-Identifier: Apache-2.0
#include "tests/perf/kernels/peaks.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tests/perf/kernels/peaks.cpp"
#include "hwy/foreach_target.h"
// foreach_target.h comes first; the others may be in any order.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <vector>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::perf::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Twelve chains of multiply-adds hide the latency of two units; returns the operations done. The
// chains start apart: equal ones the compiler would compute once.
double multiply_add(std::int64_t count, float* result) {
  const hn::ScalableTag<float> d;
  const auto a = hn::Set(d, 0.999f), b = hn::Set(d, 1e-3f), one = hn::Set(d, 1.0f);
  auto s0 = hn::Set(d, result[0]), s1 = hn::Add(s0, one), s2 = hn::Add(s1, one);
  auto s3 = hn::Add(s2, one), s4 = hn::Add(s3, one), s5 = hn::Add(s4, one);
  auto s6 = hn::Add(s5, one), s7 = hn::Add(s6, one), s8 = hn::Add(s7, one);
  auto s9 = hn::Add(s8, one), s10 = hn::Add(s9, one), s11 = hn::Add(s10, one);
  for (std::int64_t i = 0; i < count; ++i) {
    s0 = hn::MulAdd(s0, a, b), s1 = hn::MulAdd(s1, a, b), s2 = hn::MulAdd(s2, a, b);
    s3 = hn::MulAdd(s3, a, b), s4 = hn::MulAdd(s4, a, b), s5 = hn::MulAdd(s5, a, b);
    s6 = hn::MulAdd(s6, a, b), s7 = hn::MulAdd(s7, a, b), s8 = hn::MulAdd(s8, a, b);
    s9 = hn::MulAdd(s9, a, b), s10 = hn::MulAdd(s10, a, b), s11 = hn::MulAdd(s11, a, b);
  }
  const auto left = hn::Add(hn::Add(hn::Add(s0, s1), hn::Add(s2, s3)), hn::Add(s4, s5));
  const auto right = hn::Add(hn::Add(hn::Add(s6, s7), hn::Add(s8, s9)), hn::Add(s10, s11));
  *result = hn::GetLane(hn::SumOfLanes(d, hn::Add(left, right)));
  return 24.0 * static_cast<double>(count) * static_cast<double>(hn::Lanes(d));
}

float sum(const float* values, std::int64_t count) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
  for (std::int64_t i = 0; i + 4 * lanes <= count; i += 4 * lanes) {
    s0 = hn::Add(s0, hn::LoadU(d, values + i));
    s1 = hn::Add(s1, hn::LoadU(d, values + i + lanes));
    s2 = hn::Add(s2, hn::LoadU(d, values + i + 2 * lanes));
    s3 = hn::Add(s3, hn::LoadU(d, values + i + 3 * lanes));
  }
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(s0, s1), hn::Add(s2, s3))));
}

std::uint64_t sum_integers(const std::uint64_t* values, std::int64_t count) {
  const hn::ScalableTag<std::uint64_t> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
  for (std::int64_t i = 0; i + 4 * lanes <= count; i += 4 * lanes) {
    s0 = hn::Add(s0, hn::LoadU(d, values + i));
    s1 = hn::Add(s1, hn::LoadU(d, values + i + lanes));
    s2 = hn::Add(s2, hn::LoadU(d, values + i + 2 * lanes));
    s3 = hn::Add(s3, hn::LoadU(d, values + i + 3 * lanes));
  }
  return hn::GetLane(hn::Add(hn::Add(s0, s1), hn::Add(s2, s3)));
}

}  // namespace peryton::perf::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace peryton::perf {
HWY_EXPORT(multiply_add);
HWY_EXPORT(sum);
HWY_EXPORT(sum_integers);

namespace {

// The best of a few tries: units per second of `work`, which returns its units.
template <class Work>
double best_rate(Work&& work) {
  using Clock = std::chrono::steady_clock;
  double best = 0;
  for (int i = 0; i < 5; ++i) {
    const auto start = Clock::now();
    const double units = work();
    best = std::max(best, units / std::chrono::duration<double>(Clock::now() - start).count());
  }
  return best;
}

}  // namespace

double fma_peak() {
  static const double peak = best_rate([] {
    float result = 1;
    return HWY_DYNAMIC_DISPATCH(multiply_add)(20'000'000, &result) + 0 * result;
  });
  return peak * 1e-9;
}

std::uint64_t read_all(const std::uint64_t* values, std::int64_t count) {
  return HWY_DYNAMIC_DISPATCH(sum_integers)(values, count);
}

double read_bandwidth() {
  static const double rate = [] {
    const std::vector<float> values(64 << 20, 1.0f);
    return best_rate([&] {
      const float total =
          HWY_DYNAMIC_DISPATCH(sum)(values.data(), static_cast<std::int64_t>(values.size()));
      return 4.0 * static_cast<double>(values.size()) + 0 * static_cast<double>(total);
    });
  }();
  return rate * 1e-9;
}

}  // namespace peryton::perf
#endif
