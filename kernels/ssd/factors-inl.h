// What the products of the scan read: factors as they are, or rounded to bfloat16 and in pairs.
// Either way a matrix comes as a left one, read by blocks of rows, or as a right one in panels of
// panel_math-inl.h, and depth(n) elements hold n numbers along the summed dimension. What others
// need as numbers too (states, inputs) lies in panels of numbers, and is turned when a product
// reads it.
// SPDX-License-Identifier: Apache-2.0
#if defined(PERYTON_KERNELS_SSD_FACTORS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PERYTON_KERNELS_SSD_FACTORS_INL_H_
#undef PERYTON_KERNELS_SSD_FACTORS_INL_H_
#else
#define PERYTON_KERNELS_SSD_FACTORS_INL_H_
#endif

#include "kernels/ssd/panel_packing-inl.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::cpu::HWY_NAMESPACE {
namespace {

// Element (i, k) of a block of rows is at[i * row + k * column].
template <class Element>
struct LeftBlock {
  const Element* at;
  std::int64_t row, column;
};

template <class Element>
struct Product {
  LeftBlock<Element> left;
  const Element* right;
  std::int64_t count;
};

// Nothing is turned; scratch pointers are not used.
template <class T>
struct PlainFactors {
  using Value = T;
  using Element = T;
  static constexpr bool kRounds = false;

  static constexpr std::int64_t depth(std::int64_t count) { return count; }
  static Element* elements(T* memory) { return memory; }

  template <class Body>
  static HWY_INLINE void for_each_row_block(std::int64_t rows, const Body& body) {
    ForEachRowBlock<kRowsOfTile>(rows, body);
  }
  // How far right of the diagonal row i of the weights is read.
  static std::int64_t weights_end(std::int64_t i, std::int64_t padded) {
    return std::min(padded, i + kRowsOfTile);
  }

  // Left matrices lie by blocks of rows.
  static void pack_left(const T* in, std::int64_t in_row, std::int64_t rows, std::int64_t count,
                        T* out) {
    PackLeft(in, in_row, rows, count, out);
  }
  template <int kRows>
  static LeftBlock<T> left(const T* packed, std::int64_t i, std::int64_t count) {
    return {packed + i * count, 1, kRows};
  }
  // The transpose of `in`, which is [count, rows]; `first` is the depth to start from.
  static void pack_left_transposed(const T* in, std::int64_t in_row, std::int64_t rows,
                                   std::int64_t count, T* out) {
    PackLeftTransposed(in, in_row, rows, count, out);
  }
  template <int kRows>
  static LeftBlock<T> left_transposed(const T* packed, std::int64_t i, std::int64_t /*rows*/,
                                      std::int64_t count, std::int64_t first = 0) {
    return {packed + i * count + first * kRows, 1, kRows};
  }

  static void pack_right(const T* in, std::int64_t in_row, std::int64_t rows, std::int64_t columns,
                         T* out) {
    PackPanels(in, in_row, rows, columns, out);
  }
  static void pack_right_transposed(const T* in, std::int64_t in_row, std::int64_t columns,
                                    std::int64_t count, T* out, T* /*scratch*/) {
    PackTransposed(in, in_row, columns, count, out);
  }

  // The same where left_of_panels() has turned `in` already, in panels or not.
  static void pack_right_of_left(const T* in, std::int64_t in_row, const T* /*left*/,
                                 std::int64_t columns, std::int64_t count, T* out) {
    PackTransposed(in, in_row, columns, count, out);
  }

  static const T* right_of_panels(const T* panels, std::int64_t /*rows*/, std::int64_t /*columns*/,
                                  T* /*scratch*/) {
    return panels;
  }
  // Row i times factors[i].
  static void scale_panels(const T* panels, std::int64_t rows, std::int64_t columns,
                           const T* factors, T* out) {
    ScalePanels(panels, rows, columns, factors, out);
  }
  static const T* left_of_panels(const T* panels, std::int64_t /*rows*/, std::int64_t /*columns*/,
                                 T* /*scratch*/) {
    return panels;
  }
  static const T* left_of_rows(const T* in, std::int64_t /*rows*/, std::int64_t /*count*/,
                               T* /*scratch*/) {
    return in;
  }
  // The lower triangle [length, padded], as a left matrix and transposed.
  static const T* left_of_weights(const T* weights, std::int64_t /*length*/, T* /*scratch*/) {
    return weights;
  }
  static const T* left_of_weights_transposed(const T* weights, std::int64_t /*length*/,
                                             T* /*scratch*/) {
    return weights;
  }

  // sums = or += left right, summed over `count` numbers.
  template <int kRows, int kVectors>
  static HWY_INLINE void set_product(Sums<T, kRows, kVectors>& sums, const LeftBlock<T>& left,
                                     const T* right, std::int64_t count) {
    sums.clear();
    add_product(sums, left, right, count);
  }
  template <int kRows, int kVectors>
  static HWY_INLINE void add_product(Sums<T, kRows, kVectors>& sums, const LeftBlock<T>& left,
                                     const T* right, std::int64_t count) {
    sums.multiply(left.at, left.row, left.column, right, count);
  }
  // = factors[i] (row i of first) + second
  template <int kRows, int kVectors>
  static HWY_INLINE void set_products(Sums<T, kRows, kVectors>& sums, const Product<T>& first,
                                      const T* factors, const Product<T>& second) {
    set_product(sums, first.left, first.right, first.count);
    sums.scale_rows(factors);
    add_product(sums, second.left, second.right, second.count);
  }
  // panel = keep panel + left right, 0 + left right where keep is null; `sums` holds it, too.
  template <int kRows, int kVectors>
  static HWY_INLINE void update(Sums<T, kRows, kVectors>& sums, T* panel, const T* keep,
                                const LeftBlock<T>& left, const T* right, std::int64_t count) {
    if (keep != nullptr) {
      sums.load_scaled(panel, *keep);
    } else {
      sums.clear();
    }
    add_product(sums, left, right, count);
    sums.store_panel(panel);
  }
  // `left` of left_of_panels() with `rows` rows; the sums start at row i.
  template <int kRows, int kVectors>
  static HWY_INLINE void set_product_of_panels(Sums<T, kRows, kVectors>& sums, const T* left,
                                               std::int64_t rows, std::int64_t i, const T* right,
                                               std::int64_t count) {
    sums.clear();
    MultiplyPanels(sums, left, rows, i, right, count);
  }
};

}  // namespace
}  // namespace peryton::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
