// Products of the scan on register tiles: a few rows by one or two vectors of columns. The
// right-hand matrix lies in panels of that many columns, each with all its rows together, so that
// a panel stays in the first-level cache for all the rows of the left one.
// SPDX-License-Identifier: Apache-2.0
#if defined(PERYTON_KERNELS_SSD_PANEL_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PERYTON_KERNELS_SSD_PANEL_MATH_INL_H_
#undef PERYTON_KERNELS_SSD_PANEL_MATH_INL_H_
#else
#define PERYTON_KERNELS_SSD_PANEL_MATH_INL_H_
#endif

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "hwy/cache_control.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::cpu::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

template <int kValue>
using Count = std::integral_constant<int, kValue>;

template <class T>
constexpr std::int64_t kLanesOf = static_cast<std::int64_t>(hn::MaxLanes(hn::ScalableTag<T>()));

// Calls body(Count<vectors>, first column): pairs of vectors, then perhaps one vector. Panels with
// `rows` rows start at first column * rows.
template <class T, class Body>
HWY_INLINE void ForEachPanel(std::int64_t columns, const Body& body) {
  std::int64_t j = 0;
  for (; j + kLanesOf<T> < columns; j += 2 * kLanesOf<T>) body(Count<2>(), j);
  if (j < columns) body(Count<1>(), j);
}

// Rows of the largest tile of numbers. Six of two vectors fill the registers of AVX2; eight, for
// which AVX-512 has room, measured slower.
constexpr int kRowsOfTile = 6;

// Calls body(Count<rows>, first row): blocks of kLargest (6 or 8) rows and smaller ones at the end;
// two blocks of four keep the units busier than six and two. Not inlined: the compiler's time for
// registers grows faster than the function, and with all panels in one it takes minutes under
// sanitizers.
template <int kLargest, class Body>
HWY_NOINLINE void ForEachRowBlock(std::int64_t rows, const Body& body) {
  for (std::int64_t i = 0; i < rows;) {
    const std::int64_t left = rows - i;
    if (left >= kLargest && (left != 8 || kLargest == 8)) {
      body(Count<kLargest>(), i);
      i += kLargest;
    } else if (left >= 4) {
      body(Count<4>(), i);
      i += 4;
    } else if (left >= 2) {
      body(Count<2>(), i);
      i += 2;
    } else {
      body(Count<1>(), i);
      i += 1;
    }
  }
}

// Up to one vector; lanes past `count` are zero.
template <class D, class T>
HWY_INLINE hn::Vec<D> LoadSome(D d, const T* from, std::int64_t count) {
  if (count >= kLanesOf<T>) return hn::LoadU(d, from);
  HWY_ALIGN T padded[kLanesOf<T>] = {};
  for (std::int64_t i = 0; i < count; ++i) padded[i] = from[i];
  return hn::Load(d, padded);
}

template <class D, class T>
HWY_INLINE void StoreSome(hn::Vec<D> value, D d, T* to, std::int64_t count) {
  if (count >= kLanesOf<T>) {
    hn::StoreU(value, d, to);
    return;
  }
  HWY_ALIGN T padded[kLanesOf<T>];
  hn::Store(value, d, padded);
  for (std::int64_t i = 0; i < count; ++i) to[i] = padded[i];
}

// Starts to fetch consecutive elements.
template <class T>
HWY_INLINE void FetchLines(const T* from, std::int64_t count) {
  for (std::int64_t i = 0; i < count; i += 64 / sizeof(T)) hwy::Prefetch(from + i);
}

// Starts to fetch `rows` rows of kVectors vectors that are `row` elements apart: the tokens of one
// head lie too far from each other for the processor to see a pattern.
template <int kRows, int kVectors, class T>
HWY_INLINE void FetchRows(const T* first, std::int64_t row, std::int64_t rows) {
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i) {
    if (i < rows) FetchLines(first + i * row, kVectors * kLanesOf<T>);
  }
}

// The same for the part of `rows` rows that falls to a block of kRows rows from `i` on of `all`:
// asks for a few lines at a time while a product runs.
template <int kRows, int kVectors, class T>
HWY_INLINE void FetchPart(const T* first, std::int64_t row, std::int64_t rows, std::int64_t i,
                          std::int64_t all) {
  for (std::int64_t r = i * rows / all; r < (i + kRows) * rows / all; ++r) {
    FetchRows<1, kVectors>(first + r * row, row, 1);
  }
}

template <class T, int kRows, int kVectors>
struct Sums {
  using D = hn::ScalableTag<T>;
  hn::Vec<D> at[kRows][kVectors];

  HWY_INLINE void clear() {
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) at[i][v] = hn::Zero(D());
    }
  }
  // += left right: element (i, k) of left at left[i * row + k * column], right a panel.
  HWY_INLINE void multiply(const T* HWY_RESTRICT left, std::int64_t row, std::int64_t column,
                           const T* HWY_RESTRICT right, std::int64_t depth) {
    for (std::int64_t k = 0; k < depth; ++k) {
      hn::Vec<D> b[kVectors];
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) {
        b[v] = hn::LoadU(D(), right + (k * kVectors + v) * kLanesOf<T>);
      }
#pragma GCC unroll 8
      for (int i = 0; i < kRows; ++i) {
        const auto a = hn::Set(D(), left[i * row + k * column]);
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; ++v) at[i][v] = hn::MulAdd(a, b[v], at[i][v]);
      }
    }
  }
  // Row i times factor[i].
  HWY_INLINE void scale_rows(const T* factor) {
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) at[i][v] = hn::Mul(at[i][v], hn::Set(D(), factor[i]));
    }
  }
  // = scale * panel
  HWY_INLINE void load_scaled(const T* panel, T scale) {
    const auto s = hn::Set(D(), scale);
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) {
        at[i][v] = hn::Mul(hn::LoadU(D(), panel + (i * kVectors + v) * kLanesOf<T>), s);
      }
    }
  }
  // += scale * panel
  HWY_INLINE void add_scaled(const T* panel, T scale) {
    const auto s = hn::Set(D(), scale);
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) {
        const auto value = hn::LoadU(D(), panel + (i * kVectors + v) * kLanesOf<T>);
        at[i][v] = hn::MulAdd(s, value, at[i][v]);
      }
    }
  }
  // Column j times factor[j].
  HWY_INLINE void scale_columns(const T* factor) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      const auto f = hn::LoadU(D(), factor + v * kLanesOf<T>);
#pragma GCC unroll 8
      for (int i = 0; i < kRows; ++i) at[i][v] = hn::Mul(at[i][v], f);
    }
  }
  // total panel += sums
  HWY_INLINE void add_to(T* total) const {
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) {
        T* to = total + (i * kVectors + v) * kLanesOf<T>;
        hn::StoreU(hn::Add(hn::LoadU(D(), to), at[i][v]), D(), to);
      }
    }
  }
  // dots[j] += column j . column j of the panel.
  HWY_INLINE void add_column_dots(const T* panel, T* dots) const {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      auto sum = hn::LoadU(D(), dots + v * kLanesOf<T>);
#pragma GCC unroll 8
      for (int i = 0; i < kRows; ++i) {
        const auto value = hn::LoadU(D(), panel + (i * kVectors + v) * kLanesOf<T>);
        sum = hn::MulAdd(at[i][v], value, sum);
      }
      hn::StoreU(sum, D(), dots + v * kLanesOf<T>);
    }
  }
  // total panel += sums, column j times factor[j].
  HWY_INLINE void add_scaled_columns(const T* factor, T* total) const {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      const auto f = hn::LoadU(D(), factor + v * kLanesOf<T>);
#pragma GCC unroll 8
      for (int i = 0; i < kRows; ++i) {
        T* to = total + (i * kVectors + v) * kLanesOf<T>;
        hn::StoreU(hn::MulAdd(at[i][v], f, hn::LoadU(D(), to)), D(), to);
      }
    }
  }
  // dots[i] += row i . other row i, of which `columns` columns exist.
  HWY_INLINE void add_dots(const T* other, std::int64_t row, std::int64_t columns, T* dots) const {
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
      auto sum = hn::Zero(D());
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) {
        const std::int64_t from = v * kLanesOf<T>;
        sum = hn::MulAdd(at[i][v], LoadSome(D(), other + i * row + from, columns - from), sum);
      }
      dots[i] += hn::GetLane(hn::SumOfLanes(D(), sum));
    }
  }
  HWY_INLINE void load_panel(const T* panel) {
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) {
        at[i][v] = hn::LoadU(D(), panel + (i * kVectors + v) * kLanesOf<T>);
      }
    }
  }
  HWY_INLINE void store_panel(T* panel) const {
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) {
        hn::StoreU(at[i][v], D(), panel + (i * kVectors + v) * kLanesOf<T>);
      }
    }
  }
  // Rows `row` elements apart, of which `columns` columns exist.
  HWY_INLINE void store_rows(T* to, std::int64_t row, std::int64_t columns) const {
    if (HWY_LIKELY(columns >= kVectors * kLanesOf<T>)) {
#pragma GCC unroll 8
      for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; ++v) {
          hn::StoreU(at[i][v], D(), to + i * row + v * kLanesOf<T>);
        }
      }
      return;
    }
    HWY_ALIGN T panel[kRows * kVectors * kLanesOf<T>];
    store_panel(panel);
    for (int i = 0; i < kRows; ++i) {
      std::copy_n(panel + i * kVectors * kLanesOf<T>, columns, to + i * row);
    }
  }
};

// sums += rows of `left` times `right`, where the left matrix lies in panels of `rows` rows and
// the sums start at its row i: a panel holds a part of the depth.
template <int kRows, int kVectors, class T>
HWY_INLINE void MultiplyPanels(Sums<T, kRows, kVectors>& sums, const T* left, std::int64_t rows,
                               std::int64_t i, const T* right, std::int64_t depth) {
  for (std::int64_t k = 0; k < depth; k += 2 * kLanesOf<T>) {
    const std::int64_t line = (k + kLanesOf<T> < depth ? 2 : 1) * kLanesOf<T>;
    sums.multiply(left + k * rows + i * line, line, 1, right + k * kVectors * kLanesOf<T>,
                  std::min(line, depth - k));
  }
}

}  // namespace
}  // namespace peryton::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
