// Factors rounded to bfloat16, in pairs; see factors-inl.h for what the functions are.
// SPDX-License-Identifier: Apache-2.0
#if defined(PERYTON_KERNELS_SSD_PAIR_FACTORS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PERYTON_KERNELS_SSD_PAIR_FACTORS_INL_H_
#undef PERYTON_KERNELS_SSD_PAIR_FACTORS_INL_H_
#else
#define PERYTON_KERNELS_SSD_PAIR_FACTORS_INL_H_
#endif

#include "kernels/ssd/factors-inl.h"
#include "kernels/ssd/pair_tiles.h"
#include "kernels/ssd/scratch.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::cpu::HWY_NAMESPACE {
namespace {

struct PairFactors {
  using Value = float;
  using Element = Pair;
  static constexpr bool kRounds = true;

  const PairTiles& tiles;

  static constexpr std::int64_t depth(std::int64_t count) { return pairs_of(count); }
  static Pair* elements(float* memory) { return reinterpret_cast<Pair*>(memory); }

  template <class Body>
  static HWY_INLINE void for_each_row_block(std::int64_t rows, const Body& body) {
    ForEachRowBlock<PairTile::kMaxRows>(rows, body);
  }
  // Whole squares on the diagonal are turned.
  static std::int64_t weights_end(std::int64_t i, std::int64_t /*padded*/) {
    return ssd_padded(i + 1);
  }

  // Left matrices: [rows, pairs], and [pairs, rows] of a transposed one.
  void pack_left(const float* in, std::int64_t in_row, std::int64_t rows, std::int64_t count,
                 Pair* out) const {
    tiles.pair_columns({in, in_row, rows, count, nullptr, out, depth(count)});
  }
  template <int kRows>
  static LeftBlock<Pair> left(const Pair* packed, std::int64_t i, std::int64_t count) {
    return {packed + i * depth(count), depth(count), 1};
  }
  void pack_left_transposed(const float* in, std::int64_t in_row, std::int64_t rows,
                            std::int64_t count, Pair* out) const {
    tiles.pair_rows({in, in_row, count, rows, nullptr, out, rows});
  }
  template <int kRows>
  static LeftBlock<Pair> left_transposed(const Pair* packed, std::int64_t i, std::int64_t rows,
                                         std::int64_t /*count*/, std::int64_t first = 0) {
    return {packed + i + depth(first) * rows, 1, rows};
  }

  void pack_right(const float* in, std::int64_t in_row, std::int64_t rows, std::int64_t columns,
                  Pair* out) const {
    ForEachPanel<float>(columns, [&](auto vectors, std::int64_t j) HWY_ATTR {
      const std::int64_t line = vectors * kLanesOf<float>;
      tiles.pair_rows({in + j, in_row, rows, std::min(line, columns - j), nullptr,
                       out + j * depth(rows), line});
    });
  }
  // `scratch` holds columns * depth(count) pairs; column i times factors[i] if they are not null.
  void pack_right_transposed(const float* in, std::int64_t in_row, std::int64_t columns,
                             std::int64_t count, Pair* out, Pair* scratch,
                             const float* factors = nullptr) const {
    tiles.pair_columns({in, in_row, columns, count, factors, scratch, depth(count)});
    PackTransposed(scratch, depth(count), columns, depth(count), out);
  }

  void pack_right_of_left(const float* /*in*/, std::int64_t /*in_row*/, const Pair* left,
                          std::int64_t columns, std::int64_t count, Pair* out) const {
    PackTransposed(left, depth(count), columns, depth(count), out);
  }

  const Pair* right_of_panels(const float* panels, std::int64_t rows, std::int64_t columns,
                              Pair* scratch) const {
    scale_panels(panels, rows, columns, nullptr, scratch);
    return scratch;
  }
  void scale_panels(const float* panels, std::int64_t rows, std::int64_t columns,
                    const float* factors, Pair* out) const {
    ForEachPanel<float>(columns, [&](auto vectors, std::int64_t j) HWY_ATTR {
      const std::int64_t line = vectors * kLanesOf<float>;
      tiles.pair_rows({panels + j * rows, line, rows, line, factors, out + j * depth(rows), line});
    });
  }
  const Pair* left_of_panels(const float* panels, std::int64_t rows, std::int64_t columns,
                             Pair* scratch) const {
    ForEachPanel<float>(columns, [&](auto vectors, std::int64_t j) HWY_ATTR {
      const std::int64_t line = vectors * kLanesOf<float>;
      tiles.pair_columns({panels + j * rows, line, rows, std::min(line, columns - j), nullptr,
                          scratch + depth(j), depth(columns)});
    });
    return scratch;
  }
  const Pair* left_of_rows(const float* in, std::int64_t rows, std::int64_t count,
                           Pair* scratch) const {
    pack_left(in, count, rows, count, scratch);
    return scratch;
  }
  const Pair* left_of_weights(const float* weights, std::int64_t length, Pair* scratch) const {
    const std::int64_t padded = ssd_padded(length);
    for (std::int64_t i = 0; i < length; i += kSsdPadding) {
      tiles.pair_columns({weights + i * padded, padded, std::min(kSsdPadding, length - i),
                          i + kSsdPadding, nullptr, scratch + i * depth(padded), depth(padded)});
    }
    return scratch;
  }
  const Pair* left_of_weights_transposed(const float* weights, std::int64_t length,
                                         Pair* scratch) const {
    const std::int64_t padded = ssd_padded(length);
    for (std::int64_t i = 0; i < length; i += kSsdPadding) {
      tiles.pair_rows({weights + i * padded, padded, std::min(kSsdPadding, length - i),
                       i + kSsdPadding, nullptr, scratch + depth(i) * padded, padded});
    }
    return scratch;
  }

  // The products themselves run on sums in memory: panel [rows, vectors] = keep panel (or 0) + left
  // right, `keep` one number for all rows, or for each with a step of 1.
  template <int kRows, int kVectors>
  HWY_INLINE void multiply(float* panel, const float* keep, std::int64_t keep_step,
                           const LeftBlock<Pair>& left, const Pair* right,
                           std::int64_t count) const {
    constexpr int kColumns = kVectors * static_cast<int>(kLanesOf<float>);
    tiles.multiply({left.at, left.row, left.column, right, depth(count), kRows, kColumns, keep,
                    keep_step, panel});
  }
  template <int kRows, int kVectors>
  HWY_INLINE void add_to_panel(float* panel, const LeftBlock<Pair>& left, const Pair* right,
                               std::int64_t count) const {
    constexpr float kOne = 1;
    multiply<kRows, kVectors>(panel, &kOne, 0, left, right, count);
  }
  template <int kRows, int kVectors>
  HWY_INLINE void set_product(Sums<float, kRows, kVectors>& sums, const LeftBlock<Pair>& left,
                              const Pair* right, std::int64_t count) const {
    HWY_ALIGN float panel[kRows * kVectors * kLanesOf<float>];
    multiply<kRows, kVectors>(panel, nullptr, 0, left, right, count);
    sums.load_panel(panel);
  }
  template <int kRows, int kVectors>
  HWY_INLINE void add_product(Sums<float, kRows, kVectors>& sums, const LeftBlock<Pair>& left,
                              const Pair* right, std::int64_t count) const {
    HWY_ALIGN float panel[kRows * kVectors * kLanesOf<float>];
    sums.store_panel(panel);
    add_to_panel<kRows, kVectors>(panel, left, right, count);
    sums.load_panel(panel);
  }
  template <int kRows, int kVectors>
  HWY_INLINE void update(Sums<float, kRows, kVectors>& sums, float* panel, const float* keep,
                         const LeftBlock<Pair>& left, const Pair* right, std::int64_t count) const {
    multiply<kRows, kVectors>(panel, keep, 0, left, right, count);
    sums.load_panel(panel);
  }
  // = factors[i] (row i of first) + second
  template <int kRows, int kVectors>
  HWY_INLINE void set_products(Sums<float, kRows, kVectors>& sums, const Product<Pair>& first,
                               const float* factors, const Product<Pair>& second) const {
    HWY_ALIGN float panel[kRows * kVectors * kLanesOf<float>];
    multiply<kRows, kVectors>(panel, nullptr, 0, first.left, first.right, first.count);
    multiply<kRows, kVectors>(panel, factors, 1, second.left, second.right, second.count);
    sums.load_panel(panel);
  }
  template <int kRows, int kVectors>
  HWY_INLINE void set_product_of_panels(Sums<float, kRows, kVectors>& sums, const Pair* left_pairs,
                                        std::int64_t /*rows*/, std::int64_t i, const Pair* right,
                                        std::int64_t count) const {
    set_product(sums, left<kRows>(left_pairs, i, count), right, count);
  }
};

}  // namespace
}  // namespace peryton::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
