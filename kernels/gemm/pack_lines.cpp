// SPDX-License-Identifier: Apache-2.0
#include "kernels/gemm/pack_lines.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gemm/pack_lines.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::cpu::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

// Depths [begin, end) one by one.
void PackElements(const float* lines, std::int64_t stride, std::int64_t width, std::int64_t begin,
                  std::int64_t end, float* panel) {
  for (std::int64_t p = begin; p < end; ++p) {
    for (std::int64_t i = 0; i < width; ++i) panel[p * width + i] = lines[i * stride + p];
  }
}

#if HWY_TARGET != HWY_SCALAR
// Four elements of four lines: rows of the panel.
HWY_INLINE void TurnSquare(const float* HWY_RESTRICT lines, std::int64_t stride, std::int64_t width,
                           float* HWY_RESTRICT panel) {
  const hn::FixedTag<float, 4> d;
  const hn::Repartition<double, decltype(d)> pairs;
  const auto a = hn::LoadU(d, lines), b = hn::LoadU(d, lines + stride);
  const auto c = hn::LoadU(d, lines + 2 * stride), e = hn::LoadU(d, lines + 3 * stride);
  const auto low_ab = hn::BitCast(pairs, hn::InterleaveLower(d, a, b));
  const auto low_ce = hn::BitCast(pairs, hn::InterleaveLower(d, c, e));
  const auto high_ab = hn::BitCast(pairs, hn::InterleaveUpper(d, a, b));
  const auto high_ce = hn::BitCast(pairs, hn::InterleaveUpper(d, c, e));
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, low_ab, low_ce)), d, panel);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, low_ab, low_ce)), d, panel + width);
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, high_ab, high_ce)), d, panel + 2 * width);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, high_ab, high_ce)), d, panel + 3 * width);
}

// A cache line of every line is read, turned and done with; so many streams, each read for a moment
// only, are more than the hardware prefetches.
void PackLines(const float* lines, std::int64_t stride, std::int64_t width, std::int64_t k,
               float* panel) {
  constexpr std::int64_t kStep = 16, kAhead = 64;
  std::int64_t p = 0;
  for (; p + kStep <= k; p += kStep) {
    for (std::int64_t i = 0; i < width; ++i) __builtin_prefetch(lines + i * stride + p + kAhead);
    for (std::int64_t i = 0; i < width; i += 4) {
      for (std::int64_t q = p; q < p + kStep; q += 4) {
        TurnSquare(lines + i * stride + q, stride, width, panel + q * width + i);
      }
    }
  }
  PackElements(lines, stride, width, p, k, panel);
}
#else
void PackLines(const float* lines, std::int64_t stride, std::int64_t width, std::int64_t k,
               float* panel) {
  PackElements(lines, stride, width, 0, k, panel);
}
#endif

}  // namespace
}  // namespace peryton::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace peryton::kernels::cpu {

HWY_EXPORT(PackLines);

void pack_long_float_lines(const float* lines, std::int64_t stride, std::int64_t width,
                           std::int64_t k, float* panel) {
  HWY_DYNAMIC_DISPATCH(PackLines)(lines, stride, width, k, panel);
}

}  // namespace peryton::kernels::cpu
#endif
