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
// Panels that are filled together from lines side by side; they start a multiple of 4 KiB apart,
// and more would evict one another.
constexpr std::int64_t kTogether = 6;
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
      for (std::int64_t l = 0; l < kChunk; l += 64 / static_cast<std::int64_t>(sizeof(T))) {
        __builtin_prefetch(from + kChunk + l);
      }
      PairsOfLine(from, depths, pieces + i * kChunk);
    }
    cpu::pack_long_float_lines(reinterpret_cast<const float*>(pieces), kChunk / 2, width,
                               divide_up(depths, 2), reinterpret_cast<float*>(panel + p * width));
  }
}

// Up to one vector of lines of two depths that lie side by side; `odd` is null past the last depth.
template <class T>
HWY_INLINE Words PairsOfLines(const T* even, const T* odd, std::int64_t count) {
  const auto zero = hn::Zero(WordTag());
  if (count <= 0) return zero;
  return Pairs<T>(LoadBits(even, count), odd != nullptr ? LoadBits(odd, count) : zero);
}

// Lines side by side, depth after depth: what lies together is read together.
template <class T>
void PackAdjacentPairs(const PanelSource<T>& source, std::int64_t lines, std::int64_t k,
                       std::int64_t width, std::uint16_t* to) {
  constexpr std::int64_t kAhead = 16, kCacheLine = 64 / static_cast<std::int64_t>(sizeof(T));
  const WordTag d;
  const std::int64_t step = source.depth_stride, depth = round_up(k, 2);
  for (std::int64_t p = 0; p < k; p += 2) {
    const T* even = source.data + p * step;
    const T* odd = p + 1 < k ? even + step : nullptr;
    for (std::int64_t i = 0; i < lines; i += kCacheLine) {
      __builtin_prefetch(even + kAhead * step + i);
      __builtin_prefetch(even + (kAhead + 1) * step + i);
    }
    for (std::int64_t first = 0; first < lines; first += width) {
      auto* panel = reinterpret_cast<std::uint32_t*>(to + first * depth + p * width);
      for (std::int64_t i = 0; i < width; i += kLanes) {
        const std::int64_t at = first + i;
        const auto pairs = PairsOfLines(even + at, odd != nullptr ? odd + at : odd, lines - at);
        if (i + kLanes <= width) {
          hn::StoreU(pairs, d, panel + i);
        } else {
          hn::BlendedStore(pairs, hn::FirstN(d, static_cast<std::size_t>(width - i)), d, panel + i);
        }
      }
    }
  }
}

template <class T>
void Pack(const PanelSource<T>& source, std::int64_t lines, std::int64_t k, std::int64_t width,
          std::uint16_t* to) {
  const bool adjacent = source.line_stride == 1;
  const std::int64_t together = adjacent ? kTogether * width : width;
  for (std::int64_t i = 0; i < lines; i += together) {
    const PanelSource<T> part{source.data + i * source.line_stride, source.line_stride,
                              source.depth_stride};
    const std::int64_t count = std::min(together, lines - i);
    std::uint16_t* panels = to + i * round_up(k, 2);
    adjacent ? PackAdjacentPairs(part, count, k, width, panels)
             : PackLongPairs(part, count, k, width, panels);
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
