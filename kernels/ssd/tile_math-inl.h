// Products of tiles that live in the first- and second-level cache, for float and double. No
// packing: the right-hand matrix is row-major, the left one may have any strides.
// SPDX-License-Identifier: Apache-2.0
#if defined(PERYTON_KERNELS_SSD_TILE_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PERYTON_KERNELS_SSD_TILE_MATH_INL_H_
#undef PERYTON_KERNELS_SSD_TILE_MATH_INL_H_
#else
#define PERYTON_KERNELS_SSD_TILE_MATH_INL_H_
#endif

#include <algorithm>
#include <cstdint>

#include "hwy/highway.h"
// After highway.h
#include "hwy/contrib/math/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::cpu::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

// Element (i, k) is at data + i * row + k * column.
template <class T>
struct LeftTile {
  const T* data;
  std::int64_t row, column;
};

// What is known to be zero, or not wanted.
enum class Part {
  kAll,
  kLowerLeft,   // left(i, k) = 0 for k > i
  kUpperLeft,   // left(i, k) = 0 for k < i
  kLowerResult  // result(i, j) is wanted for j <= i only
};

// rows x (V vectors) of c (+)= a[:, first:last] b.
template <int kRows, int kVectors, class D, class T>
HWY_INLINE void MultiplyBlock(D d, LeftTile<T> a, const T* HWY_RESTRICT b, std::int64_t b_row,
                              T* HWY_RESTRICT c, std::int64_t c_row, std::int64_t first,
                              std::int64_t last, bool accumulate) {
  constexpr std::int64_t kLanes = static_cast<std::int64_t>(hn::MaxLanes(d));
  hn::Vec<D> sums[kRows][kVectors];
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      sums[i][v] = accumulate ? hn::LoadU(d, c + i * c_row + v * kLanes) : hn::Zero(d);
    }
  }
  for (std::int64_t k = first; k < last; ++k) {
    hn::Vec<D> right[kVectors];
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) right[v] = hn::LoadU(d, b + k * b_row + v * kLanes);
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
      const auto left = hn::Set(d, a.data[i * a.row + k * a.column]);
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) sums[i][v] = hn::MulAdd(left, right[v], sums[i][v]);
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) hn::StoreU(sums[i][v], d, c + i * c_row + v * kLanes);
  }
}

// All columns of kRows rows, starting at row `i`.
template <int kRows, class T>
HWY_INLINE void MultiplyRows(LeftTile<T> a, const T* b, std::int64_t b_row, T* c,
                             std::int64_t c_row, std::int64_t i, std::int64_t columns,
                             std::int64_t depth, bool accumulate, Part part) {
  const hn::ScalableTag<T> d;
  constexpr std::int64_t kLanes = static_cast<std::int64_t>(hn::MaxLanes(d));
  const std::int64_t first = part == Part::kUpperLeft ? std::min(i, depth) : 0;
  const std::int64_t last = part == Part::kLowerLeft ? std::min(i + kRows, depth) : depth;
  if (part == Part::kLowerResult) {  // whole vectors, as far as the tile goes
    columns = std::min(columns, (i + kRows + kLanes - 1) / kLanes * kLanes);
  }
  const LeftTile<T> left{a.data + i * a.row, a.row, a.column};
  T* out = c + i * c_row;
  std::int64_t j = 0;
  for (; j + 2 * kLanes <= columns; j += 2 * kLanes) {
    MultiplyBlock<kRows, 2>(d, left, b + j, b_row, out + j, c_row, first, last, accumulate);
  }
  for (; j + kLanes <= columns; j += kLanes) {
    MultiplyBlock<kRows, 1>(d, left, b + j, b_row, out + j, c_row, first, last, accumulate);
  }
  const hn::CappedTag<T, 1> one;
  for (; j < columns; ++j) {
    MultiplyBlock<kRows, 1>(one, left, b + j, b_row, out + j, c_row, first, last, accumulate);
  }
}

// c (+)= a b; a is rows x depth, b depth x columns.
template <class T>
void MultiplyTiles(LeftTile<T> a, const T* b, std::int64_t b_row, T* c, std::int64_t c_row,
                   std::int64_t rows, std::int64_t columns, std::int64_t depth, bool accumulate,
                   Part part = Part::kAll) {
  std::int64_t i = 0;
  for (; i + 6 <= rows; i += 6) {
    MultiplyRows<6>(a, b, b_row, c, c_row, i, columns, depth, accumulate, part);
  }
  if (i + 4 <= rows) {
    MultiplyRows<4>(a, b, b_row, c, c_row, i, columns, depth, accumulate, part);
    i += 4;
  }
  for (; i < rows; ++i) {
    MultiplyRows<1>(a, b, b_row, c, c_row, i, columns, depth, accumulate, part);
  }
}

// out[j, i] = in[i, j]; columns of `out` from `rows` up to `padded` become zero. Eight rows at a
// time: walking down a column of a wide array would use a few sets of the cache only.
template <class T>
void Transpose(const T* in, std::int64_t in_row, std::int64_t rows, std::int64_t columns, T* out,
               std::int64_t padded) {
  std::int64_t i = 0;
  for (; i + 8 <= rows; i += 8) {
    const T* source = in + i * in_row;
    for (std::int64_t j = 0; j < columns; ++j) {
      T* target = out + j * padded + i;
      for (std::int64_t k = 0; k < 8; ++k) target[k] = source[k * in_row + j];
    }
  }
  for (std::int64_t j = 0; j < columns; ++j) {
    T* target = out + j * padded;
    for (std::int64_t k = i; k < rows; ++k) target[k] = in[k * in_row + j];
    std::fill(target + rows, target + padded, T(0));
  }
}

// Calls body(d, i) for i in [0, count): whole vectors, then single elements.
template <class T, class Body>
HWY_INLINE void ForEachVector(std::int64_t count, const Body& body) {
  const hn::ScalableTag<T> d;
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) body(d, i);
  for (; i < count; ++i) body(hn::CappedTag<T, 1>(), i);
}

// out = scale * in
template <class T>
void Scale(const T* in, T scale, T* out, std::int64_t count) {
  ForEachVector<T>(count, [&](auto d, std::int64_t i) HWY_ATTR {
    hn::StoreU(hn::Mul(hn::LoadU(d, in + i), hn::Set(d, scale)), d, out + i);
  });
}

// out += scale * in
template <class T>
void AddScaled(const T* in, T scale, T* out, std::int64_t count) {
  ForEachVector<T>(count, [&](auto d, std::int64_t i) HWY_ATTR {
    const auto sum = hn::MulAdd(hn::LoadU(d, in + i), hn::Set(d, scale), hn::LoadU(d, out + i));
    hn::StoreU(sum, d, out + i);
  });
}

template <class T>
T Dot(const T* a, const T* b, std::int64_t count) {
  const hn::ScalableTag<T> d;
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d));
  auto sum = hn::Zero(d);
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    sum = hn::MulAdd(hn::LoadU(d, a + i), hn::LoadU(d, b + i), sum);
  }
  T total = hn::GetLane(hn::SumOfLanes(d, sum));
  for (; i < count; ++i) total += a[i] * b[i];
  return total;
}

// out = exp(min(x, 0)): every decay exponent is at most 0 but for rounding.
template <class T>
void DecayOf(const T* x, T* out, std::int64_t count) {
  ForEachVector<T>(count, [&](auto d, std::int64_t i) HWY_ATTR {
    hn::StoreU(hn::Exp(d, hn::Min(hn::LoadU(d, x + i), hn::Zero(d))), d, out + i);
  });
}

}  // namespace
}  // namespace peryton::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
