// SPDX-License-Identifier: Apache-2.0
#include "kernels/gemm/round_rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gemm/round_rows.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
// After highway.h
#include "kernels/gemm/round_pairs-inl.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::HWY_NAMESPACE {
namespace {

void RoundRows(const float* from, std::int64_t from_stride, std::int64_t rows, std::int64_t k,
               std::uint16_t* to, std::int64_t to_stride) {
  constexpr std::int64_t kAhead = 8, kCacheLine = 16;
  for (std::int64_t i = 0; i < rows; ++i) {
    const float* later = from + (i + kAhead) * from_stride;
    for (std::int64_t j = 0; j < k; j += kCacheLine) __builtin_prefetch(later + j);
    PairsOfLine(from + i * from_stride, k, to + i * to_stride);
  }
}

}  // namespace
}  // namespace peryton::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace peryton::kernels {

HWY_EXPORT(RoundRows);

void cpu::round_rows(const float* from, std::int64_t from_stride, std::int64_t rows, std::int64_t k,
                     std::uint16_t* to, std::int64_t to_stride) {
  HWY_DYNAMIC_DISPATCH(RoundRows)(from, from_stride, rows, k, to, to_stride);
}

}  // namespace peryton::kernels
#endif
