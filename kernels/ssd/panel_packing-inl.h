// Copies into the layouts that panel_math-inl.h multiplies, and back.
// SPDX-License-Identifier: Apache-2.0
#if defined(PERYTON_KERNELS_SSD_PANEL_PACKING_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PERYTON_KERNELS_SSD_PANEL_PACKING_INL_H_
#undef PERYTON_KERNELS_SSD_PANEL_PACKING_INL_H_
#else
#define PERYTON_KERNELS_SSD_PANEL_PACKING_INL_H_
#endif

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "kernels/ssd/panel_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::cpu::HWY_NAMESPACE {
namespace {

// Row-major to panels; the columns that fill up a vector are
// zero.
template <class T>
void PackPanels(const T* in, std::int64_t in_row, std::int64_t rows, std::int64_t columns, T* out) {
  const hn::ScalableTag<T> d;
  for (std::int64_t i = 0; i < rows; ++i) {
    ForEachPanel<T>(columns, [&](auto vectors, std::int64_t j) HWY_ATTR {
      T* to = out + j * rows + i * vectors * kLanesOf<T>;
      for (int v = 0; v < vectors; ++v) {
        const std::int64_t at = j + v * kLanesOf<T>;
        hn::StoreU(LoadSome(d, in + i * in_row + at, columns - at), d, to + v * kLanesOf<T>);
      }
    });
  }
}

// Row i of panels times factors[i].
template <class T>
void ScalePanels(const T* panels, std::int64_t rows, std::int64_t columns, const T* factors,
                 T* out) {
  const hn::ScalableTag<T> d;
  ForEachPanel<T>(columns, [&](auto vectors, std::int64_t p) HWY_ATTR {
    const std::int64_t line = vectors * kLanesOf<T>;
    for (std::int64_t i = 0; i < rows; ++i) {
      const auto factor = hn::Set(d, factors[i]);
      for (std::int64_t v = 0; v < line; v += kLanesOf<T>) {
        const std::int64_t place = p * rows + i * line + v;
        hn::StoreU(hn::Mul(hn::LoadU(d, panels + place), factor), d, out + place);
      }
    }
  });
}

template <class T>
void UnpackPanels(const T* in, std::int64_t rows, std::int64_t columns, T* out,
                  std::int64_t out_row) {
  const hn::ScalableTag<T> d;
  ForEachPanel<T>(columns, [&](auto vectors, std::int64_t j) HWY_ATTR {
    for (std::int64_t i = 0; i < rows; ++i) {
      const T* from = in + j * rows + i * vectors * kLanesOf<T>;
      for (int v = 0; v < vectors; ++v) {
        const std::int64_t at = j + v * kLanesOf<T>;
        StoreSome(hn::LoadU(d, from + v * kLanesOf<T>), d, out + i * out_row + at, columns - at);
      }
    }
  });
}

// out[j, i] = in[i, j]. Four rows and a vector of columns at a time: walking down a column of a
// wide array would use a few sets of the cache only.
template <class T>
void Transpose(const T* in, std::int64_t in_row, std::int64_t rows, std::int64_t columns, T* out,
               std::int64_t out_row) {
  constexpr std::int64_t kLanes = kLanesOf<T>;
  const hn::ScalableTag<T> d;
  HWY_ALIGN T quads[4 * kLanes];
  std::int64_t i = 0;
  for (; i + 4 <= rows; i += 4) {
    const T* from = in + i * in_row;
    T* to = out + i;
    std::int64_t j = 0;
    for (; j + kLanes <= columns; j += kLanes) {
      hn::StoreInterleaved4(hn::LoadU(d, from + j), hn::LoadU(d, from + in_row + j),
                            hn::LoadU(d, from + 2 * in_row + j),
                            hn::LoadU(d, from + 3 * in_row + j), d, quads);
#pragma GCC unroll 16
      for (std::int64_t k = 0; k < kLanes; ++k) {
        std::memcpy(to + (j + k) * out_row, quads + 4 * k, 4 * sizeof(T));
      }
    }
    for (; j < columns; ++j) {
      for (std::int64_t k = 0; k < 4; ++k) to[j * out_row + k] = from[k * in_row + j];
    }
  }
  for (; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) out[j * out_row + i] = in[i * in_row + j];
  }
}

// Panels of the transpose: panel columns are the `rows` of `in`, panel rows its columns.
template <class T>
void PackTransposed(const T* in, std::int64_t in_row, std::int64_t rows, std::int64_t columns,
                    T* out) {
  ForEachPanel<T>(rows, [&](auto vectors, std::int64_t first) HWY_ATTR {
    const std::int64_t line = vectors * kLanesOf<T>, there = std::min(line, rows - first);
    T* panel = out + first * columns;
    Transpose(in + first * in_row, in_row, there, columns, panel, line);
    for (std::int64_t j = 0; there < line && j < columns; ++j) {
      std::fill(panel + j * line + there, panel + (j + 1) * line, T(0));
    }
  });
}

// Left matrices, a block of rows after the other: element (i, k) of a block that starts at row
// `first` and has `rows` rows is at out[first * depth + k * rows + i - first].
template <class T>
void PackLeft(const T* in, std::int64_t in_row, std::int64_t rows, std::int64_t depth, T* out) {
  ForEachRowBlock<kRowsOfTile>(rows, [&](auto count, std::int64_t first) HWY_ATTR {
    const T* from = in + first * in_row;
    T* to = out + first * depth;
    for (std::int64_t k = 0; k < depth; ++k) {
      for (int i = 0; i < count; ++i) to[k * count + i] = from[i * in_row + k];
    }
  });
}

// The same of the transpose of `in`, which is depth x rows.
template <class T>
void PackLeftTransposed(const T* in, std::int64_t in_row, std::int64_t rows, std::int64_t depth,
                        T* out) {
  ForEachRowBlock<kRowsOfTile>(rows, [&](auto count, std::int64_t first) HWY_ATTR {
    T* to = out + first * depth;
    for (std::int64_t k = 0; k < depth; ++k) {
      const T* from = in + k * in_row + first;
      for (int i = 0; i < count; ++i) to[k * count + i] = from[i];
    }
  });
}

}  // namespace
}  // namespace peryton::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
