// Vector code of the rotary embedding, for float and bfloat16 storage; double goes to the
// reference.
// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/rotary/rotary_cpu.cpp"
#include "hwy/foreach_target.h"
// The per-target headers follow foreach_target.h.
#include "hwy/highway.h"
#include "kernels/common/lanes-inl.h"
#include "kernels/rotary/rotary.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::HWY_NAMESPACE {
namespace {

template <class T>
void rotate_head(const RotaryArgs<T>& a, const float* cosine, const float* sine, const T* input,
                 T* output) {
  const FloatTag d;
  const std::size_t half = static_cast<std::size_t>(a.half), step = hn::Lanes(d);
  const auto sign = a.inverse ? hn::Set(d, -0.0f) : hn::Zero(d);
  for (std::size_t j = 0; j < half; j += step) {
    const std::size_t left = half - j;
    const auto c = load_lanes(cosine + j, left), s = hn::Xor(load_lanes(sine + j, left), sign);
    const auto first = load_lanes(input + j, left), second = load_lanes(input + half + j, left);
    store_lanes(hn::Sub(hn::Mul(first, c), hn::Mul(second, s)), output + j, left);
    store_lanes(hn::MulAdd(second, c, hn::Mul(first, s)), output + half + j, left);
  }
  if (output == input) return;
  const std::size_t rest = static_cast<std::size_t>(a.width) - 2 * half;
  std::memcpy(output + 2 * half, input + 2 * half, rest * sizeof(T));
}

template <class T>
void rotate_rows(const RotaryArgs<T>& a, std::int64_t begin, std::int64_t end) {
  for (std::int64_t row = begin; row < end; ++row) {
    const float* cosine = a.cosine + a.position[row] * a.half;
    const float* sine = a.sine + a.position[row] * a.half;
    for (std::int64_t head = 0; head < a.heads; ++head) {
      rotate_head(a, cosine, sine, a.input + row * a.input_row_stride + head * a.input_head_stride,
                  a.output + row * a.output_row_stride + head * a.output_head_stride);
    }
  }
}

// Highway's dispatch table takes plain functions.
void rotate_float(const RotaryArgs<float>& a, std::int64_t b, std::int64_t e) {
  rotate_rows(a, b, e);
}
void rotate_bfloat16(const RotaryArgs<BFloat16>& a, std::int64_t b, std::int64_t e) {
  rotate_rows(a, b, e);
}

}  // namespace
}  // namespace peryton::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace peryton::kernels {
HWY_EXPORT(rotate_float);
HWY_EXPORT(rotate_bfloat16);

namespace cpu {
namespace {

constexpr std::int64_t kRowsPerTask = 64;

}  // namespace

template <>
void rotary(const RotaryArgs<float>& args, const Context& context) {
  const auto rows = HWY_DYNAMIC_DISPATCH(rotate_float);
  parallel_blocks(context, args.rows, kRowsPerTask,
                  [&](std::int64_t begin, std::int64_t end) { rows(args, begin, end); });
}
template <>
void rotary(const RotaryArgs<BFloat16>& args, const Context& context) {
  const auto rows = HWY_DYNAMIC_DISPATCH(rotate_bfloat16);
  parallel_blocks(context, args.rows, kRowsPerTask,
                  [&](std::int64_t begin, std::int64_t end) { rows(args, begin, end); });
}
template <>
void rotary(const RotaryArgs<double>& args, const Context& context) {
  reference::rotary(args, context);
}

}  // namespace cpu
}  // namespace peryton::kernels
#endif
