// SPDX-License-Identifier: Apache-2.0
#include "kernels/gemm/panels.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gemm/panels.cpp"
#include "hwy/cache_control.h"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::cpu::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::ScalableTag<float>;
constexpr std::int64_t kLanes = static_cast<std::int64_t>(hn::MaxLanes(Tag()));
// Sums of a tile stay in registers: 6 x 2 of 16, or 12 x 2 of 32.
constexpr int kRows = kLanes >= 16 ? 12 : 6;
constexpr std::int64_t kColumns = 2 * kLanes;
constexpr std::int64_t kCacheLine = 16;  // floats

// What happens to C before the product is added, so that full tiles do not ask row by row.
enum class Old { kIgnored, kAdded, kScaled };  // beta: 0, 1, another

// C of one full tile: alpha * sum + beta * C [+ bias], row by row from the registers.
template <Old kOld>
HWY_INLINE void StoreRow(hn::Vec<Tag> left, hn::Vec<Tag> right, const PanelProduct& p,
                         const float* bias, float* c) {
  const Tag d;
  const auto alpha = hn::Set(d, p.alpha);
  left = hn::Mul(alpha, left);
  right = hn::Mul(alpha, right);
  if constexpr (kOld == Old::kAdded) {
    left = hn::Add(hn::LoadU(d, c), left);
    right = hn::Add(hn::LoadU(d, c + kLanes), right);
  } else if constexpr (kOld == Old::kScaled) {
    const auto beta = hn::Set(d, p.beta);
    left = hn::MulAdd(beta, hn::LoadU(d, c), left);
    right = hn::MulAdd(beta, hn::LoadU(d, c + kLanes), right);
  }
  if (bias != nullptr) {
    left = hn::Add(left, hn::LoadU(d, bias));
    right = hn::Add(right, hn::LoadU(d, bias + kLanes));
  }
  hn::StoreU(left, d, c);
  hn::StoreU(right, d, c + kLanes);
}

template <Old kOld>
HWY_INLINE void StoreTile(const hn::Vec<Tag>* left, const hn::Vec<Tag>* right,
                          const PanelProduct& p, const float* bias, float* c, std::int64_t ldc) {
#pragma GCC unroll 12
  for (int i = 0; i < kRows; ++i) StoreRow<kOld>(left[i], right[i], p, bias, c + i * ldc);
}

// One tile: kRows x kColumns of C. `kFetchNext`: asks for the next panel of B meanwhile, which lies
// too far away to come in time by itself. `kPacked`: A is a panel. Rows of A go three by three: a
// pointer, a stride and twice the stride address them, where a pointer a row needs more registers
// than there are.
template <bool kFetchNext, bool kPacked>
HWY_INLINE void MultiplyTile(const PanelProduct& p, const float* HWY_RESTRICT a,
                             const float* HWY_RESTRICT b, const float* bias, float* c,
                             std::int64_t ldc) {
  const Tag d;
  hn::Vec<Tag> left[kRows], right[kRows];
#pragma GCC unroll 12
  for (int i = 0; i < kRows; ++i) {
    left[i] = right[i] = hn::Zero(d);
    for (std::int64_t j = 0; j < kColumns; j += kCacheLine) {
      hwy::Prefetch(c + i * ldc + j);  // needed only after the loop, and far apart
    }
    hwy::Prefetch(c + i * ldc + kColumns - 1);
  }
  const float* groups[kRows / 3];
  const std::int64_t stride = kPacked ? 1 : p.a_stride;
#pragma GCC unroll 4
  for (int g = 0; g < kRows / 3; ++g) {
    groups[g] = a + 3 * g * stride;
    asm("" : "+r"(groups[g]));  // hides that one follows from another
  }
  for (std::int64_t k = 0; k < p.k; ++k) {
    const auto b_left = hn::LoadU(d, b), b_right = hn::LoadU(d, b + kLanes);
    if constexpr (kFetchNext) {
      for (std::int64_t i = 0; i < kColumns; i += kCacheLine) {
        __builtin_prefetch(b + kColumns * p.k + i, 0, 2);
      }
    }
#pragma GCC unroll 12
    for (int i = 0; i < kRows; ++i) {
      const auto value = hn::Set(d, groups[i / 3][i % 3 * stride]);
      left[i] = hn::MulAdd(value, b_left, left[i]);
      right[i] = hn::MulAdd(value, b_right, right[i]);
    }
#pragma GCC unroll 4
    for (int g = 0; g < kRows / 3; ++g) groups[g] += kPacked ? kRows : 1;
    b += kColumns;
  }
  if (p.beta == 0) return StoreTile<Old::kIgnored>(left, right, p, bias, c, ldc);
  if (p.beta == 1) return StoreTile<Old::kAdded>(left, right, p, bias, c, ldc);
  StoreTile<Old::kScaled>(left, right, p, bias, c, ldc);
}

// A tile that reaches past the edge of C goes through a copy.
void MultiplyEdge(const PanelProduct& p, const float* a, const float* b, const float* bias,
                  float* c, std::int64_t rows, std::int64_t columns) {
  HWY_ALIGN float tile[kRows * kColumns] = {};
  HWY_ALIGN float padded_bias[kColumns] = {};
  if (bias != nullptr) std::copy_n(bias, columns, padded_bias);
  for (std::int64_t i = 0; p.beta != 0 && i < rows; ++i) {
    std::copy_n(c + i * p.ldc, columns, tile + i * kColumns);
  }
  const float* row = bias != nullptr ? padded_bias : nullptr;
  p.a_stride == 0 ? MultiplyTile<false, true>(p, a, b, row, tile, kColumns)
                  : MultiplyTile<false, false>(p, a, b, row, tile, kColumns);
  for (std::int64_t i = 0; i < rows; ++i) {
    std::copy_n(tile + i * kColumns, columns, c + i * p.ldc);
  }
}

// A panel of B stays in the first-level cache while the panels of A pass.
template <bool kPacked>
void MultiplyAll(const PanelProduct& p) {
  const std::int64_t depth = p.b_depth == 0 ? p.k : p.b_depth;
  for (std::int64_t j = 0; j < p.n; j += kColumns) {
    const std::int64_t columns = std::min(kColumns, p.n - j);
    const float* bias = p.bias != nullptr ? p.bias + j : nullptr;
    const float* b = p.b + j * depth;
    for (std::int64_t i = 0; i < p.m; i += kRows) {
      const std::int64_t rows = std::min<std::int64_t>(kRows, p.m - i);
      const float* a = p.a + i * (kPacked ? p.k : p.a_stride);
      float* c = p.c + i * p.ldc + j;
      if (rows < kRows || columns < kColumns) {
        MultiplyEdge(p, a, b, bias, c, rows, columns);
      } else if (i == 0) {
        MultiplyTile<true, kPacked>(p, a, b, bias, c, p.ldc);
      } else {
        MultiplyTile<false, kPacked>(p, a, b, bias, c, p.ldc);
      }
    }
  }
}

void MultiplyPanels(const PanelProduct& p) {
  p.a_stride == 0 ? MultiplyAll<true>(p) : MultiplyAll<false>(p);
}

PanelShape ShapeOfPanels() { return {kRows, kColumns}; }

}  // namespace
}  // namespace peryton::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace peryton::kernels::cpu {

HWY_EXPORT(MultiplyPanels);
HWY_EXPORT(ShapeOfPanels);

void multiply_panels(const PanelProduct& product) { HWY_DYNAMIC_DISPATCH(MultiplyPanels)(product); }

PanelShape panel_shape() { return HWY_DYNAMIC_DISPATCH(ShapeOfPanels)(); }

}  // namespace peryton::kernels::cpu
#endif
