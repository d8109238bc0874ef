// Copies blocks of a matrix into panels (panels.h), widening bfloat16 to float.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "kernels/gemm/pack_lines.h"

namespace peryton::kernels::cpu {

// Lines are the rows of op(A) or the columns of op(B): element (line, k) of the source is at
// data + line * line_stride + k * depth_stride; one of the strides is 1.
template <class T>
struct PanelSource {
  const T* data;
  std::int64_t line_stride, depth_stride;
};

// Lines [0, lines) of depth k into one panel of `width` >= lines.
template <class T>
void pack_partial_panel(const PanelSource<T>& source, std::int64_t lines, std::int64_t k,
                        std::int64_t width, float* panel) {
  std::fill_n(panel, width * k, 0.0f);
  for (std::int64_t i = 0; i < lines; ++i) {
    const T* from = source.data + i * source.line_stride;
    for (std::int64_t p = 0; p < k; ++p) {
      panel[p * width + i] = static_cast<float>(from[p * source.depth_stride]);
    }
  }
}

// Full panels whose lines lie side by side, depth after depth: what lies together is read together.
template <int kWidth, class T>
void pack_adjacent_lines(const PanelSource<T>& source, std::int64_t panels, std::int64_t k,
                         float* to) {
  constexpr std::int64_t kAhead = 8, kCacheLine = 64 / static_cast<std::int64_t>(sizeof(T));
  for (std::int64_t p = 0; p < k; ++p) {
    const T* from = source.data + p * source.depth_stride;
    const T* later = from + kAhead * source.depth_stride;
    for (std::int64_t i = 0; i < panels * kWidth; i += kCacheLine) __builtin_prefetch(later + i);
    for (std::int64_t panel = 0; panel < panels; ++panel) {
      float* row = to + (panel * k + p) * kWidth;
      for (int i = 0; i < kWidth; ++i) row[i] = static_cast<float>(from[panel * kWidth + i]);
    }
  }
}

// A full panel of lines that are contiguous each. A cache line of every one is read, turned and
// done with; so many streams, each read for a moment only, are more than the hardware prefetches.
template <int kWidth, class T>
void pack_long_lines(const PanelSource<T>& source, std::int64_t k, float* panel) {
  constexpr std::int64_t kStep = 16, kAhead = 64;
  std::int64_t p = 0;
  for (; p + kStep <= k; p += kStep) {
    const T* from = source.data + p;
    float* to = panel + p * kWidth;
    for (int i = 0; i < kWidth; ++i) __builtin_prefetch(from + i * source.line_stride + kAhead);
    for (std::int64_t q = 0; q < kStep; ++q) {
      for (int i = 0; i < kWidth; ++i) {
        to[q * kWidth + i] = static_cast<float>(from[i * source.line_stride + q]);
      }
    }
  }
  for (; p < k; ++p) {
    for (int i = 0; i < kWidth; ++i) {
      panel[p * kWidth + i] = static_cast<float>(source.data[i * source.line_stride + p]);
    }
  }
}

template <int kWidth, class T>
void pack_full_panels(const PanelSource<T>& source, std::int64_t panels, std::int64_t k,
                      float* to) {
  if (source.line_stride == 1) return pack_adjacent_lines<kWidth>(source, panels, k, to);
  for (std::int64_t panel = 0; panel < panels; ++panel) {
    const T* lines = source.data + panel * kWidth * source.line_stride;
    float* at = to + panel * kWidth * k;
    if constexpr (std::is_same_v<T, float> && kWidth % 4 == 0) {
      pack_long_float_lines(lines, source.line_stride, kWidth, k, at);
    } else {
      pack_long_lines<kWidth, T>({lines, source.line_stride, 1}, k, at);
    }
  }
}

// All lines, panel after panel. Widths that panels have get code of their own.
template <class T>
void pack_panels(const PanelSource<T>& source, std::int64_t lines, std::int64_t k,
                 std::int64_t width, float* to) {
  const bool known = width == 6 || width == 12 || width == 16 || width == 32;
  const std::int64_t full = known ? lines / width : 0;
  if (width == 6) pack_full_panels<6>(source, full, k, to);
  if (width == 12) pack_full_panels<12>(source, full, k, to);
  if (width == 16) pack_full_panels<16>(source, full, k, to);
  if (width == 32) pack_full_panels<32>(source, full, k, to);
  for (std::int64_t i = full * width; i < lines; i += width) {
    pack_partial_panel<T>(
        {source.data + i * source.line_stride, source.line_stride, source.depth_stride},
        std::min(width, lines - i), k, width, to + i * k);
  }
}

}  // namespace peryton::kernels::cpu
