// Copies blocks of a matrix into panels (panels.h), widening bfloat16 to float.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>

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
void pack_panel(const PanelSource<T>& source, std::int64_t lines, std::int64_t k,
                std::int64_t width, float* panel) {
  if (lines < width) std::fill_n(panel, width * k, 0.0f);
  if (source.line_stride == 1) {
    for (std::int64_t p = 0; p < k; ++p) {
      const T* from = source.data + p * source.depth_stride;
      float* to = panel + p * width;
      for (std::int64_t i = 0; i < lines; ++i) to[i] = static_cast<float>(from[i]);
    }
    return;
  }
  // Sixteen deep at a time: a cache line of each source line is read once, while the part of the
  // panel that is written stays in the first-level cache. So many streams, each read for a moment
  // only, are more than the hardware prefetches.
  constexpr std::int64_t kStep = 16, kAhead = 64;
  for (std::int64_t p = 0; p < k; p += kStep) {
    float* to = panel + p * width;
    const std::int64_t step = std::min(kStep, k - p);
    for (std::int64_t i = 0; i < lines; ++i) {
      const T* from = source.data + i * source.line_stride + p;
      __builtin_prefetch(from + kAhead);
      if (step == kStep) {
        for (std::int64_t q = 0; q < kStep; ++q) to[q * width + i] = static_cast<float>(from[q]);
      } else {
        for (std::int64_t q = 0; q < step; ++q) to[q * width + i] = static_cast<float>(from[q]);
      }
    }
  }
}

// All lines, panel after panel.
template <class T>
void pack_panels(const PanelSource<T>& source, std::int64_t lines, std::int64_t k,
                 std::int64_t width, float* panels) {
  for (std::int64_t i = 0; i < lines; i += width) {
    pack_panel<T>({source.data + i * source.line_stride, source.line_stride, source.depth_stride},
                  std::min(width, lines - i), k, width, panels + i * k);
  }
}

}  // namespace peryton::kernels::cpu
