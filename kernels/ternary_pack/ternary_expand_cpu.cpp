// Packed weights to plain ones, with any vector width.
// SPDX-License-Identifier: Apache-2.0
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/ternary_pack/ternary_expand_cpu.cpp"
#include "hwy/foreach_target.h"
// The per-target headers follow foreach_target.h.
#include <algorithm>

#include "hwy/highway.h"
#include "kernels/ternary_pack/ternary_pack.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
namespace {

// output[j] = values[code of byte j] for a run of columns of one plane of one tile; code 3 does not
// occur.
template <class T>
HWY_INLINE void expand_run(T* output, const std::uint8_t* bytes, int shift, std::int64_t count,
                           const T (&values)[4]) {
  const hn::ScalableTag<T> d;
  const hn::RebindToUnsigned<decltype(d)> words;
  const hn::Rebind<std::uint8_t, decltype(d)> narrow;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto three = hn::Set(words, 3), two = hn::Set(words, 2), zero = hn::Zero(words);
  const auto minus = hn::Set(d, values[0]), middle = hn::Set(d, values[1]);
  const auto plus = hn::Set(d, values[2]);
  std::int64_t j = 0;
  for (; j + lanes <= count; j += lanes) {
    const auto wide = hn::PromoteTo(words, hn::LoadU(narrow, bytes + j));
    const auto codes = hn::And(hn::ShiftRightSame(wide, shift), three);
    const auto low = hn::IfThenElse(hn::RebindMask(d, hn::Eq(codes, zero)), minus, middle);
    const auto all = hn::IfThenElse(hn::RebindMask(d, hn::Eq(codes, two)), plus, low);
    hn::StoreU(all, d, output + j);
  }
  for (; j < count; ++j) output[j] = values[bytes[j] >> shift & 3];
}

// Bits: T, or its bits where Highway has no such type. values: of codes 0 to 2; the last is no
// code.
template <class T, class Bits>
HWY_INLINE void expand(const cpu::TernaryExpandArgs<T>& a, Bits* output, const Bits (&values)[4]) {
  for (std::int64_t r = 0; r < a.rows; ++r, output += a.output_stride) {
    for (std::int64_t c = 0; c < a.columns;) {
      const std::int64_t column = a.column + c;
      const std::int64_t count = std::min(a.columns - c, 64 - column % 64);
      expand_run(output + c, a.packed + a.shape.byte_of(a.row + r, column),
                 TernaryShape::shift_of(column), count, values);
      c += count;
    }
  }
}

void expand_float(const cpu::TernaryExpandArgs<float>& a) {
  expand(a, a.output, {-1.0f * a.scale, 0.0f * a.scale, a.scale, 0.0f});
}

void expand_bfloat16(const cpu::TernaryExpandArgs<BFloat16>& a) {
  expand(a, reinterpret_cast<std::uint16_t*>(a.output),
         {BFloat16(-1.0f * a.scale).bits, BFloat16(0.0f * a.scale).bits, BFloat16(a.scale).bits,
          std::uint16_t{0}});
}

}  // namespace
}  // namespace peryton::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace peryton::kernels {
HWY_EXPORT(expand_float);
HWY_EXPORT(expand_bfloat16);

namespace cpu {
namespace {

template <class T>
void check(const TernaryExpandArgs<T>& a) {
  require(a.row >= 0 && a.row + a.rows <= a.shape.rows && a.column >= 0 &&
              a.column + a.columns <= a.shape.columns,
          "ternary_expand", "rectangle leaves the matrix");
}

}  // namespace

template <>
void ternary_expand(const TernaryExpandArgs<float>& args) {
  check(args);
  HWY_DYNAMIC_DISPATCH(expand_float)(args);
}

template <>
void ternary_expand(const TernaryExpandArgs<BFloat16>& args) {
  check(args);
  HWY_DYNAMIC_DISPATCH(expand_bfloat16)(args);
}

// For gradient checks.
template <>
void ternary_expand(const TernaryExpandArgs<double>& a) {
  check(a);
  for (std::int64_t r = 0; r < a.rows; ++r) {
    for (std::int64_t c = 0; c < a.columns; ++c) {
      const std::int64_t row = a.row + r, column = a.column + c;
      const int code = a.packed[a.shape.byte_of(row, column)] >> TernaryShape::shift_of(column) & 3;
      a.output[r * a.output_stride + c] = static_cast<double>(code - 1) * a.scale;
    }
  }
}

}  // namespace cpu
}  // namespace peryton::kernels
#endif
