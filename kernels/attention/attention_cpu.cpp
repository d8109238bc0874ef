// Vector code for what lies between the products of blocked attention.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention/attention_cpu.cpp"
#include "hwy/foreach_target.h"
// The per-target headers follow foreach_target.h.
#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"
#include "kernels/attention/attention.h"
#include "kernels/attention/attention_blocks.h"
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

// values[i] = exp(scale * values[i] - shift); returns their sum.
float exponentiate(float* values, std::size_t count, float scale, float shift) {
  const FloatTag d;
  const auto factor = hn::Set(d, scale), minus = hn::Set(d, -shift);
  auto sum = hn::Zero(d);
  for (std::size_t i = 0; i < count; i += hn::Lanes(d)) {
    const std::size_t left = count - i;
    const auto e = hn::Exp(d, hn::MulAdd(load_lanes(values + i, left), factor, minus));
    sum = hn::Add(sum, hn::IfThenElseZero(hn::FirstN(d, left), e));
    store_lanes(e, values + i, left);
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

void zero_outside(float* row, std::int64_t begin, std::int64_t end, std::int64_t width) {
  std::fill(row, row + begin, 0.0f);
  std::fill(row + end, row + width, 0.0f);
}

void soften(const SoftmaxBlock& block) {
  for (std::int64_t r = 0; r < block.rows; ++r) {
    float* scores = block.scores + r * block.stride;
    const auto [begin, end] = block.visible[r];
    zero_outside(scores, begin, end, block.keys);
    if (begin == end) continue;
    const std::size_t count = static_cast<std::size_t>(end - begin);
    const float largest =
        std::max(block.largest[r], block.scale * largest_of(scores + begin, count));
    const float sum = exponentiate(scores + begin, count, block.scale, largest);
    const float fade = std::exp(block.largest[r] - largest);  // 0 for the row's first keys
    if (!block.first && fade != 1) {
      scale_row(block.output + r * block.output_stride, static_cast<std::size_t>(block.width),
                fade);
    }
    block.sum[r] = block.sum[r] * fade + sum;
    block.largest[r] = largest;
  }
}

void divide_by_sum(const SoftmaxBlock& block) {
  for (std::int64_t r = 0; r < block.rows; ++r) {
    scale_row(block.output + r * block.output_stride, static_cast<std::size_t>(block.width),
              1.0f / block.sum[r]);
  }
}

// scores -> P, d_scores -> scale * P (dP - D), a key's queries after another.
void soften_backward(const SoftmaxGradientBlock& block) {
  const FloatTag d;
  const auto scale = hn::Set(d, block.scale);
  for (std::int64_t j = 0; j < block.keys; ++j) {
    float* scores = block.scores + j * block.stride;
    float* d_scores = block.d_scores + j * block.stride;
    const auto [begin, end] = block.visible[j];
    zero_outside(scores, begin, end, block.rows);
    zero_outside(d_scores, begin, end, block.rows);
    for (std::int64_t r = begin; r < end; r += static_cast<std::int64_t>(hn::Lanes(d))) {
      const std::size_t left = static_cast<std::size_t>(end - r);
      const auto log_sum = load_lanes(block.log_sum + r, left);
      const auto p = hn::Exp(d, hn::MulSub(load_lanes(scores + r, left), scale, log_sum));
      const auto d_p = hn::Sub(load_lanes(d_scores + r, left), load_lanes(block.shared + r, left));
      store_lanes(p, scores + r, left);
      store_lanes(hn::Mul(hn::Mul(p, scale), d_p), d_scores + r, left);
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

float dot_rows(const float* a, const float* b, std::int64_t width) {
  const FloatTag d;
  const std::size_t count = static_cast<std::size_t>(width);
  auto sum = hn::Zero(d);
  for (std::size_t i = 0; i < count; i += hn::Lanes(d)) {
    sum = hn::MulAdd(load_lanes(a + i, count - i), load_lanes(b + i, count - i), sum);
  }
  return sum_lanes(sum);
}

}  // namespace
}  // namespace peryton::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace peryton::kernels {
HWY_EXPORT(soften);
HWY_EXPORT(divide_by_sum);
HWY_EXPORT(soften_backward);
HWY_EXPORT(dot_rows);
HWY_EXPORT(add_weighted);

void soften_block(const SoftmaxBlock& block) { HWY_DYNAMIC_DISPATCH(soften)(block); }
void divide_block_by_sum(const SoftmaxBlock& block) { HWY_DYNAMIC_DISPATCH(divide_by_sum)(block); }
void soften_block_backward(const SoftmaxGradientBlock& block) {
  HWY_DYNAMIC_DISPATCH(soften_backward)(block);
}
float dot_of_rows(const float* a, const float* b, std::int64_t width) {
  return HWY_DYNAMIC_DISPATCH(dot_rows)(a, b, width);
}
void add_weighted_rows(const float* weights, std::int64_t count, const float* rows,
                       std::int64_t stride, float* output, std::int64_t width) {
  HWY_DYNAMIC_DISPATCH(add_weighted)(weights, count, rows, stride, output, width);
}

}  // namespace peryton::kernels
#endif
