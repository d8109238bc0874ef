// Vector code for what lies between the products of blocked attention.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention/attention_cpu.cpp"
#include "hwy/foreach_target.h"
// The per-target headers follow foreach_target.h.
#include "hwy/highway.h"
#include "kernels/attention/attention.h"
#include "kernels/attention/attention_blocks.h"
#include "kernels/attention/weights-inl.h"
#include "kernels/common/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::HWY_NAMESPACE {
namespace {

float largest_of(const float* values, std::size_t count) {
  const FloatTag d;
  const std::size_t step = hn::Lanes(d);
  float largest = -std::numeric_limits<float>::infinity();
  std::size_t i = 0;
  if (count >= step) {
    auto lanes = hn::LoadU(d, values);
    for (i = step; i + step <= count; i += step) lanes = hn::Max(lanes, hn::LoadU(d, values + i));
    largest = hn::GetLane(hn::MaxOfLanes(d, lanes));
  }
  for (; i < count; ++i) largest = std::max(largest, values[i]);
  return largest;
}

// to[i] = exp(scale * values[i] - shift); returns their sum, before they are rounded.
template <class T>
float exponentiate(const float* values, std::size_t count, float scale, float shift, T* to) {
  const FloatTag d;
  const std::size_t step = hn::Lanes(d);
  const auto factor = hn::Set(d, scale * kUnit<T>), minus = hn::Set(d, shift * kUnit<T>);
  auto sum = hn::Zero(d);
  std::size_t i = 0;
  for (; i + 2 * step <= count; i += 2 * step) {
    const auto low = Weight<T>(hn::LoadU(d, values + i), factor, minus);
    const auto high = Weight<T>(hn::LoadU(d, values + i + step), factor, minus);
    sum = hn::Add(hn::Add(sum, low), high);
    StoreTwo(low, high, to + i);
  }
  for (; i < count; i += step) {
    const std::size_t left = count - i;
    const auto e = Weight<T>(load_lanes(values + i, left), factor, minus);
    sum = hn::Add(sum, hn::IfThenElseZero(hn::FirstN(d, left), e));
    store_lanes(e, to + i, left);
  }
  return sum_lanes(sum);
}

void scale_row(float* row, std::size_t width, float factor) {
  const FloatTag d;
  const auto f = hn::Set(d, factor);
  for (std::size_t i = 0; i < width; i += hn::Lanes(d)) {
    store_lanes(hn::Mul(load_lanes(row + i, width - i), f), row + i, width - i);
  }
}

// Pairs are whole.
template <class T>
void zero_outside(T* row, std::int64_t begin, std::int64_t end, std::int64_t width) {
  if constexpr (std::is_same_v<T, BFloat16>) width = round_up(width, 2);
  std::fill(row, row + begin, T());
  std::fill(row + end, row + width, T());
}

template <class T>
void soften(const SoftmaxBlock<T>& block) {
  for (std::int64_t r = 0; r < block.rows; ++r) {
    const float* scores = block.scores + r * block.stride;
    T* weights = block.weights + r * block.stride;
    const auto [begin, end] = block.visible[r];
    zero_outside(weights, begin, end, block.keys);
    if (begin == end) continue;
    const std::size_t count = static_cast<std::size_t>(end - begin);
    const float largest =
        std::max(block.largest[r], block.scale * largest_of(scores + begin, count));
    const float sum = exponentiate(scores + begin, count, block.scale, largest, weights + begin);
    const float fade = std::exp(block.largest[r] - largest);  // 0 for the row's first keys
    if (!block.first && fade != 1) {
      scale_row(block.output + r * block.output_stride, static_cast<std::size_t>(block.width),
                fade);
    }
    block.sum[r] = block.sum[r] * fade + sum;
    block.largest[r] = largest;
  }
}

void divide(float* output, std::int64_t stride, std::int64_t rows, std::int64_t width,
            const float* sum) {
  for (std::int64_t r = 0; r < rows; ++r) {
    scale_row(output + r * stride, static_cast<std::size_t>(width), 1.0f / sum[r]);
  }
}

// Lanes of a vector that begins at element `from`, [begin, end) of them.
hn::Mask<FloatTag> between(std::int64_t begin, std::int64_t end, std::int64_t from) {
  const auto first = [&](std::int64_t count) {
    return hn::FirstN(FloatTag(),
                      static_cast<std::size_t>(std::clamp<std::int64_t>(count, 0, kLanes)));
  };
  return hn::AndNot(first(begin - from), first(end - from));
}

template <class T>
void store_zeros(T* row, std::int64_t begin, std::int64_t end) {
  const auto zero = hn::Zero(FloatTag());
  for (std::int64_t r = begin; r < end; r += 2 * kLanes) StoreTwo(zero, zero, row + r);
}

// A key's queries after another, in pairs of vectors: those that nobody sees are cleared only.
template <class T>
void soften_backward(const SoftmaxGradientBlock<T>& block) {
  const FloatTag d;
  const auto scale = hn::Set(d, block.scale), factor = hn::Set(d, block.scale * kUnit<T>);
  for (std::int64_t j = 0; j < block.keys; ++j) {
    const std::int64_t row = j * block.stride;
    const Visible visible = block.visible[j];
    const std::int64_t begin = visible.begin / (2 * kLanes) * (2 * kLanes);
    const std::int64_t end = round_up(visible.end, 2 * kLanes);
    for (T* target : {block.weights + row, block.d_scores + row}) {
      store_zeros(target, 0, begin);
      store_zeros(target, end, block.rows);
    }
    FloatVector p[2], d_score[2];
    for (std::int64_t r = begin; r < end; r += 2 * kLanes) {
      for (int half = 0; half < 2; ++half) {
        const std::int64_t at = r + half * kLanes;
        const auto mask = between(visible.begin, visible.end, at);
        const auto shift = InUnits<T>(hn::LoadU(d, block.log_sum + at));
        const auto weight = Weight<T>(hn::LoadU(d, block.scores + row + at), factor, shift);
        p[half] = hn::IfThenElseZero(mask, weight);
        const auto d_p =
            hn::Sub(hn::LoadU(d, block.d_weights + row + at), hn::LoadU(d, block.shared + at));
        d_score[half] = hn::IfThenElseZero(mask, hn::Mul(hn::Mul(p[half], scale), d_p));
      }
      StoreTwo(p[0], p[1], block.weights + row + r);
      StoreTwo(d_score[0], d_score[1], block.d_scores + row + r);
    }
  }
}

void add_weighted(const float* weights, std::int64_t count, const float* rows, std::int64_t stride,
                  float* output, std::int64_t width) {
  const FloatTag d;
  for (std::int64_t i = 0; i < width; i += static_cast<std::int64_t>(hn::Lanes(d))) {
    const std::size_t left = static_cast<std::size_t>(width - i);
    auto sum = load_lanes(output + i, left);
    for (std::int64_t j = 0; j < count; ++j) {
      sum = hn::MulAdd(hn::Set(d, weights[j]), load_lanes(rows + j * stride + i, left), sum);
    }
    store_lanes(sum, output + i, left);
  }
}

template <class T>
float dot_rows(const float* a, const T* b, std::int64_t width) {
  const FloatTag d;
  const std::size_t count = static_cast<std::size_t>(width);
  auto sum = hn::Zero(d);
  for (std::size_t i = 0; i < count; i += hn::Lanes(d)) {
    sum = hn::MulAdd(load_lanes(a + i, count - i), load_lanes(b + i, count - i), sum);
  }
  return sum_lanes(sum);
}

float dot_floats(const float* a, const float* b, std::int64_t width) {
  return dot_rows(a, b, width);
}
float dot_halves(const float* a, const BFloat16* b, std::int64_t width) {
  return dot_rows(a, b, width);
}
void soften_floats(const SoftmaxBlock<float>& block) { soften(block); }
void soften_halves(const SoftmaxBlock<BFloat16>& block) { soften(block); }
void soften_floats_backward(const SoftmaxGradientBlock<float>& block) { soften_backward(block); }
void soften_halves_backward(const SoftmaxGradientBlock<BFloat16>& block) { soften_backward(block); }

}  // namespace
}  // namespace peryton::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace peryton::kernels {
HWY_EXPORT(soften_floats);
HWY_EXPORT(soften_halves);
HWY_EXPORT(soften_floats_backward);
HWY_EXPORT(soften_halves_backward);
HWY_EXPORT(divide);
HWY_EXPORT(dot_floats);
HWY_EXPORT(dot_halves);
HWY_EXPORT(add_weighted);

void soften_block(const SoftmaxBlock<float>& block) { HWY_DYNAMIC_DISPATCH(soften_floats)(block); }
void soften_block(const SoftmaxBlock<BFloat16>& block) {
  HWY_DYNAMIC_DISPATCH(soften_halves)(block);
}
void soften_block_backward(const SoftmaxGradientBlock<float>& block) {
  HWY_DYNAMIC_DISPATCH(soften_floats_backward)(block);
}
void soften_block_backward(const SoftmaxGradientBlock<BFloat16>& block) {
  HWY_DYNAMIC_DISPATCH(soften_halves_backward)(block);
}
void divide_rows(float* output, std::int64_t stride, std::int64_t rows, std::int64_t width,
                 const float* sum) {
  HWY_DYNAMIC_DISPATCH(divide)(output, stride, rows, width, sum);
}
float dot_of_rows(const float* a, const float* b, std::int64_t width) {
  return HWY_DYNAMIC_DISPATCH(dot_floats)(a, b, width);
}
float dot_of_rows(const float* a, const BFloat16* b, std::int64_t width) {
  return HWY_DYNAMIC_DISPATCH(dot_halves)(a, b, width);
}
void add_weighted_rows(const float* weights, std::int64_t count, const float* rows,
                       std::int64_t stride, float* output, std::int64_t width) {
  HWY_DYNAMIC_DISPATCH(add_weighted)(weights, count, rows, stride, output, width);
}

}  // namespace peryton::kernels
#endif
