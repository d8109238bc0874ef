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

// A full panel whose lines lie side by side.
template <int kWidth, class T>
void pack_adjacent_lines(const PanelSource<T>& source, std::int64_t k, float* panel) {
  for (std::int64_t p = 0; p < k; ++p) {
    const T* from = source.data + p * source.depth_stride;
    __builtin_prefetch(from + 8 * source.depth_stride);
    for (int i = 0; i < kWidth; ++i) panel[p * kWidth + i] = static_cast<float>(from[i]);
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
void pack_full_panel(const PanelSource<T>& source, std::int64_t k, float* panel) {
  source.line_stride == 1 ? pack_adjacent_lines<kWidth>(source, k, panel)
                          : pack_long_lines<kWidth>(source, k, panel);
}

// Widths that panels have get code of their own.
template <class T>
void pack_panel(const PanelSource<T>& source, std::int64_t lines, std::int64_t k,
                std::int64_t width, float* panel) {
  if (lines == 6 && width == 6) return pack_full_panel<6>(source, k, panel);
  if (lines == 12 && width == 12) return pack_full_panel<12>(source, k, panel);
  if (lines == 16 && width == 16) return pack_full_panel<16>(source, k, panel);
  if (lines == 32 && width == 32) return pack_full_panel<32>(source, k, panel);
  pack_partial_panel(source, lines, k, width, panel);
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
