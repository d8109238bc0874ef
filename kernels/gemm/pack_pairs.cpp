// SPDX-License-Identifier: Apache-2.0
#include "kernels/gemm/pack_pairs.h"

#include <algorithm>
#include <cstring>

#include "kernels/common/context.h"
#include "kernels/gemm/panels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gemm/pack_pairs.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/common/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::HWY_NAMESPACE {
namespace {

using cpu::PanelSource;

constexpr std::int64_t kWidest = cpu::kLargestPanel.columns;
constexpr std::int64_t kChunk = 64;  // depths of a line that are turned at once: a piece in L1

void RoundTo(const float* from, std::int64_t count, BFloat16* to) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(FloatTag()));
  for (std::int64_t i = 0; i < count; i += lanes) {
    const auto left = static_cast<std::size_t>(std::min(lanes, count - i));
    store_lanes(load_lanes(from + i, left), to + i, left);
  }
}

void RoundTo(const BFloat16* from, std::int64_t count, BFloat16* to) {
  std::memcpy(to, from, static_cast<std::size_t>(count) * sizeof *to);
}

// `count` lines that are contiguous each, into one panel: a piece of every line is rounded, and
// its pairs turned as if they were floats.
template <class T>
void PackLongPairs(const PanelSource<T>& source, std::int64_t count, std::int64_t k,
                   std::int64_t width, std::uint16_t* panel) {
  alignas(64) BFloat16 pieces[kWidest * kChunk] = {};
  alignas(64) float turned[kWidest * kChunk / 2];
  for (std::int64_t p = 0; p < k; p += kChunk) {
    const std::int64_t depths = std::min(kChunk, k - p), pairs = divide_up(depths, 2);
    for (std::int64_t i = 0; i < count; ++i) {
      const T* from = source.data + i * source.line_stride + p;
      __builtin_prefetch(from + kChunk);
      RoundTo(from, depths, pieces + i * kChunk);
      if (depths % 2 != 0) pieces[i * kChunk + depths] = BFloat16();
    }
    float lines[kWidest * kChunk / 2];
    std::memcpy(lines, pieces, sizeof lines);
    cpu::pack_long_float_lines(lines, kChunk / 2, width, pairs, turned);
    std::memcpy(panel + p * width, turned, static_cast<std::size_t>(2 * pairs * width) * 2);
  }
}

// Lines side by side: two depths become the pairs of all panels.
template <class T>
void PackAdjacentPairs(const PanelSource<T>& source, std::int64_t lines, std::int64_t k,
                       std::int64_t width, std::uint16_t* to) {
  const std::int64_t depth = divide_up(k, 2) * 2;
  for (std::int64_t p = 0; p < k; p += 2) {
    const T* from = source.data + p * source.depth_stride;
    for (std::int64_t i = 0; i < lines; i += width) {
      const std::int64_t count = std::min(width, lines - i);
      BFloat16 even[kWidest] = {}, odd[kWidest] = {};
      RoundTo(from + i, count, even);
      if (p + 1 < k) RoundTo(from + source.depth_stride + i, count, odd);
      std::uint16_t* row = to + i * depth + p * width;
      for (std::int64_t j = 0; j < width; ++j) {
        row[2 * j] = even[j].bits;
        row[2 * j + 1] = odd[j].bits;
      }
    }
  }
}

template <class T>
void Pack(const PanelSource<T>& source, std::int64_t lines, std::int64_t k, std::int64_t width,
          std::uint16_t* to) {
  if (source.line_stride == 1) return PackAdjacentPairs(source, lines, k, width, to);
  for (std::int64_t i = 0; i < lines; i += width) {
    const PanelSource<T> panel{source.data + i * source.line_stride, source.line_stride, 1};
    PackLongPairs(panel, std::min(width, lines - i), k, width, to + i * divide_up(k, 2) * 2);
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
