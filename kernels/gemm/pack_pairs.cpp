// SPDX-License-Identifier: Apache-2.0
#include "kernels/gemm/pack_pairs.h"

#include <algorithm>

#include "kernels/common/context.h"
#include "kernels/gemm/panels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gemm/pack_pairs.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
// After highway.h
#include "kernels/gemm/round_pairs-inl.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::HWY_NAMESPACE {
namespace {

using cpu::PanelSource;

constexpr std::int64_t kWidest = cpu::kLargestPanel.columns;
constexpr std::int64_t kChunk = 64;  // depths of a line that are turned at once: a piece in L1

// `count` lines that are contiguous each, into one panel: the pairs of a piece of every line are
// turned as if they were floats.
template <class T>
void PackLongPairs(const PanelSource<T>& source, std::int64_t count, std::int64_t k,
                   std::int64_t width, std::uint16_t* panel) {
  alignas(64) std::uint16_t pieces[kWidest * kChunk] = {};
  for (std::int64_t p = 0; p < k; p += kChunk) {
    const std::int64_t depths = std::min(kChunk, k - p);
    for (std::int64_t i = 0; i < count; ++i) {
      const T* from = source.data + i * source.line_stride + p;
      __builtin_prefetch(from + kChunk);
      PairsOfLine(from, depths, pieces + i * kChunk);
    }
    cpu::pack_long_float_lines(reinterpret_cast<const float*>(pieces), kChunk / 2, width,
                               divide_up(depths, 2), reinterpret_cast<float*>(panel + p * width));
  }
}

// Lines side by side: two depths become the pairs of a panel.
template <class T>
void PackAdjacentPairs(const PanelSource<T>& source, std::int64_t count, std::int64_t k,
                       std::int64_t width, std::uint16_t* panel) {
  constexpr std::int64_t kAhead = 16;
  const WordTag d;
  auto* to = reinterpret_cast<std::uint32_t*>(panel);
  for (std::int64_t p = 0; p < k; p += 2, to += width) {
    const T* even = source.data + p * source.depth_stride;
    const T* odd = even + source.depth_stride;
    for (const T* row : {even, odd}) {
      __builtin_prefetch(row + kAhead * source.depth_stride);
      __builtin_prefetch(row + kAhead * source.depth_stride + count - 1);
    }
    for (std::int64_t i = 0; i < width; i += kLanes) {
      const std::int64_t left = std::clamp<std::int64_t>(count - i, 0, kLanes);
      const auto zero = hn::Zero(d);
      const auto low = left > 0 ? LoadBits(even + i, left) : zero;
      const auto high = left > 0 && p + 1 < k ? LoadBits(odd + i, left) : zero;
      const auto pairs = Pairs<T>(low, high);
      if (i + kLanes <= width) {
        hn::StoreU(pairs, d, to + i);
      } else {
        hn::BlendedStore(pairs, hn::FirstN(d, static_cast<std::size_t>(width - i)), d, to + i);
      }
    }
  }
}

template <class T>
void Pack(const PanelSource<T>& source, std::int64_t lines, std::int64_t k, std::int64_t width,
          std::uint16_t* to) {
  for (std::int64_t i = 0; i < lines; i += width) {
    const PanelSource<T> part{source.data + i * source.line_stride, source.line_stride,
                              source.depth_stride};
    const std::int64_t count = std::min(width, lines - i);
    std::uint16_t* panel = to + i * divide_up(k, 2) * 2;
    source.line_stride == 1 ? PackAdjacentPairs(part, count, k, width, panel)
                            : PackLongPairs(part, count, k, width, panel);
  }
}

void PackPairsOfFloats(const PanelSource<float>& source, std::int64_t lines, std::int64_t k,
                       std::int64_t width, std::uint16_t* to) {
  Pack(source, lines, k, width, to);
}

void PackPairsOfHalves(const PanelSource<BFloat16>& source, std::int64_t lines, std::int64_t k,
                       std::int64_t width, std::uint16_t* to) {
  Pack(source, lines, k, width, to);
}

}  // namespace
}  // namespace peryton::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace peryton::kernels {

HWY_EXPORT(PackPairsOfFloats);
HWY_EXPORT(PackPairsOfHalves);

namespace cpu {

void pack_pairs(const PanelSource<float>& source, std::int64_t lines, std::int64_t k,
                std::int64_t width, std::uint16_t* to) {
  HWY_DYNAMIC_DISPATCH(PackPairsOfFloats)(source, lines, k, width, to);
}

void pack_pairs(const PanelSource<BFloat16>& source, std::int64_t lines, std::int64_t k,
                std::int64_t width, std::uint16_t* to) {
  HWY_DYNAMIC_DISPATCH(PackPairsOfHalves)(source, lines, k, width, to);
}

}  // namespace cpu
}  // namespace peryton::kernels
#endif
