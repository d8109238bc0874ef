// SPDX-License-Identifier: Apache-2.0
#include "kernels/gemm/few_rows.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gemm/few_rows.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/common/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::HWY_NAMESPACE {
namespace {

// Sums of 3 x 4 dot products, the three vectors of A and one of B fit 16 registers.
constexpr std::int64_t kRowsAtOnce = 3, kLinesAtOnce = 4;

template <class A>
void Store(const GemmArgs<float, A, BFloat16>& args, std::int64_t i, std::int64_t j, float sum) {
  float& c = args.c[i * args.ldc + j];
  c = args.beta == 0 ? args.alpha * sum : args.beta * c + args.alpha * sum;
  if (args.bias != nullptr) c += args.bias[j];
}

// kRows rows of A from row i on times kLines lines of B from line j on.
template <int kRows, int kLines, class A>
void Dots(const GemmArgs<float, A, BFloat16>& args, std::int64_t i, std::int64_t j) {
  const FloatTag d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  FloatVector sums[kRows][kLines];
  for (auto& row : sums) {
    for (auto& sum : row) sum = hn::Zero(d);
  }
  const A* a = args.a + i * args.lda;
  const BFloat16* b = args.b + j * args.ldb;
  std::int64_t p = 0;
  for (; p + lanes <= args.k; p += lanes) {
    FloatVector left[kRows];
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) left[r] = load_full(a + r * args.lda + p);
#pragma GCC unroll 4
    for (int l = 0; l < kLines; ++l) {
      const auto right = load_full(b + l * args.ldb + p);
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) sums[r][l] = hn::MulAdd(left[r], right, sums[r][l]);
    }
  }
  for (int l = 0; l < kLines; ++l) {
    for (int r = 0; r < kRows; ++r) {
      if (p < args.k) {
        const auto rest = static_cast<std::size_t>(args.k - p);
        sums[r][l] = hn::MulAdd(load_lanes(a + r * args.lda + p, rest),
                                load_lanes(b + l * args.ldb + p, rest), sums[r][l]);
      }
      Store(args, i + r, j + l, sum_lanes(sums[r][l]));
    }
  }
}

template <int kLines, class A>
void Lines(const GemmArgs<float, A, BFloat16>& args, std::int64_t j) {
  std::int64_t i = 0;
  for (; i + kRowsAtOnce <= args.m; i += kRowsAtOnce) Dots<kRowsAtOnce, kLines>(args, i, j);
  for (; i < args.m; ++i) Dots<1, kLines>(args, i, j);
}

template <class A>
void Columns(const GemmArgs<float, A, BFloat16>& args, std::int64_t begin, std::int64_t end) {
  std::int64_t j = begin;
  for (; j + kLinesAtOnce <= end; j += kLinesAtOnce) Lines<kLinesAtOnce>(args, j);
  for (; j < end; ++j) Lines<1>(args, j);
}

void FewRowsOfFloats(const GemmArgs<float, float, BFloat16>& args, std::int64_t begin,
                     std::int64_t end) {
  Columns(args, begin, end);
}

void FewRowsOfHalves(const GemmArgs<float, BFloat16, BFloat16>& args, std::int64_t begin,
                     std::int64_t end) {
  Columns(args, begin, end);
}

}  // namespace
}  // namespace peryton::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace peryton::kernels {

HWY_EXPORT(FewRowsOfFloats);
HWY_EXPORT(FewRowsOfHalves);

namespace cpu {
namespace {

constexpr std::int64_t kLinesOfTask = 64;

}  // namespace

void few_rows(const GemmArgs<float, float, BFloat16>& args, const Context& context) {
  parallel_blocks(context, args.n, kLinesOfTask, [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(FewRowsOfFloats)(args, begin, end);
  });
}

void few_rows(const GemmArgs<float, BFloat16, BFloat16>& args, const Context& context) {
  parallel_blocks(context, args.n, kLinesOfTask, [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(FewRowsOfHalves)(args, begin, end);
  });
}

}  // namespace cpu
}  // namespace peryton::kernels
#endif
