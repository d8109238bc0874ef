// Float fast path: Highway compiles this file once per instruction set and picks one at run time.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/cross_entropy/cross_entropy.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cross_entropy/cross_entropy_simd.cpp"
#include "hwy/foreach_target.h"
// foreach_target.h comes first; the others may be in any order.
#include <algorithm>
#include <cmath>

#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// z = sum_k c_k logits_k; returns max z.
float mix_row(const CrossEntropyArgs<float>& args, std::int64_t row, float* z) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t n = args.vocabulary;
  auto top_lanes = hn::Set(d, -INFINITY);
  std::int64_t v = 0;
  for (; v + lanes <= n; v += lanes) {
    auto sum = hn::Zero(d);
    for (std::int64_t k = 0; k < args.count; ++k) {
      if (args.coefficients[k] == 0) continue;
      const float* logits = args.logits[k] + row * args.strides[k];
      sum = hn::MulAdd(hn::Set(d, args.coefficients[k]), hn::LoadU(d, logits + v), sum);
    }
    hn::StoreU(sum, d, z + v);
    top_lanes = hn::Max(top_lanes, sum);
  }
  float top = hn::GetLane(hn::MaxOfLanes(d, top_lanes));
  for (; v < n; ++v) {
    float sum = 0;
    for (std::int64_t k = 0; k < args.count; ++k) {
      if (args.coefficients[k] == 0) continue;
      sum += args.coefficients[k] * args.logits[k][row * args.strides[k] + v];
    }
    z[v] = sum;
    top = std::max(top, sum);
  }
  return top;
}

struct ExponentialSums {
  double plain = 0;     // sum exp(z - top)
  double weighted = 0;  // sum exp(z - top) (z - top)
};

// to = exp(z - top), which may be z; sums are kept in double over blocks so that long vocabularies
// stay exact.
ExponentialSums exponentials(const float* z, float* to, std::int64_t n, float top) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto shift = hn::Set(d, top);
  ExponentialSums total;
  std::int64_t v = 0;
  while (v + lanes <= n) {
    auto sum = hn::Zero(d), weighted = hn::Zero(d);
    const std::int64_t end = std::min(n - lanes, v + 512);
    for (; v <= end; v += lanes) {
      const auto below = hn::Sub(hn::LoadU(d, z + v), shift);
      const auto e = hn::Exp(d, below);
      hn::StoreU(e, d, to + v);
      sum = hn::Add(sum, e);
      weighted = hn::MulAdd(e, below, weighted);
    }
    total.plain += static_cast<double>(hn::GetLane(hn::SumOfLanes(d, sum)));
    total.weighted += static_cast<double>(hn::GetLane(hn::SumOfLanes(d, weighted)));
  }
  for (; v < n; ++v) {
    const float below = z[v] - top;
    to[v] = std::exp(below);
    total.plain += static_cast<double>(to[v]);
    total.weighted += static_cast<double>(to[v]) * static_cast<double>(below);
  }
  return total;
}

double dot(const float* a, const float* b, std::int64_t n) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  double total = 0;
  std::int64_t v = 0;
  while (v + lanes <= n) {
    auto sum = hn::Zero(d);
    const std::int64_t end = std::min(n - lanes, v + 512);
    for (; v <= end; v += lanes) sum = hn::MulAdd(hn::LoadU(d, a + v), hn::LoadU(d, b + v), sum);
    total += static_cast<double>(hn::GetLane(hn::SumOfLanes(d, sum)));
  }
  for (; v < n; ++v) total += static_cast<double>(a[v]) * static_cast<double>(b[v]);
  return total;
}

void gradient_row(const CrossEntropyArgs<float>& args, std::int64_t row) {
  float* z = args.mixed + row * args.vocabulary;
  const float top = mix_row(args, row, z);
  const std::int32_t target = args.targets[row];
  const float at_target = target < 0 ? 0 : z[target];
  const ExponentialSums sums = exponentials(z, z, args.vocabulary, top);
  const double above = static_cast<double>(at_target) - static_cast<double>(top);
  args.nll[row] = target < 0 ? 0 : std::log(sums.plain) - above;
  const float weight = target < 0 ? 0.0f : (args.weights == nullptr ? 1.0f : args.weights[row]);
  const auto scale = static_cast<float>(static_cast<double>(weight) / sums.plain);
  for (std::int64_t v = 0; v < args.vocabulary; ++v) z[v] *= scale;
  if (target >= 0) z[target] -= weight;
  if (args.d_coefficients == nullptr) return;
  if (args.logits[0] == args.mixed) {
    // The logits are overwritten. sum_v dz_v z_v does not change when z is shifted by its maximum.
    const double slope = static_cast<double>(weight) * (sums.weighted / sums.plain - above);
    args.d_coefficients[row] = target < 0 ? 0 : slope / static_cast<double>(args.coefficients[0]);
    return;
  }
  for (std::int64_t k = 0; k < args.count; ++k) {
    args.d_coefficients[row * args.count + k] =
        args.logits[k] == nullptr ? 0
                                  : dot(z, args.logits[k] + row * args.strides[k], args.vocabulary);
  }
}

// Exponentials that nobody reads again land in a small stack window instead of a vocabulary-wide
// buffer.
double sum_of_exponentials(const float* z, std::int64_t n, float top) {
  float window[1024];
  double total = 0;
  for (std::int64_t v = 0; v < n; v += 1024) {
    total += exponentials(z + v, window, std::min<std::int64_t>(1024, n - v), top).plain;
  }
  return total;
}

void loss_row(const CrossEntropyArgs<float>& args, std::int64_t row) {
  float* z = args.mixed + row * args.vocabulary;
  const float top = mix_row(args, row, z);
  const std::int32_t target = args.targets[row];
  args.nll[row] = target < 0 ? 0
                             : static_cast<double>(top) +
                                   std::log(sum_of_exponentials(z, args.vocabulary, top)) -
                                   static_cast<double>(z[target]);
}

void cross_entropy_rows(const CrossEntropyArgs<float>& args, std::int64_t begin, std::int64_t end) {
  for (std::int64_t row = begin; row < end; ++row) {
    if (args.gradient) {
      gradient_row(args, row);
    } else {
      loss_row(args, row);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace peryton::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace peryton::kernels::cpu {
HWY_EXPORT(cross_entropy_rows);

template <>
void cross_entropy<float>(const CrossEntropyArgs<float>& args, const Context& context) {
  parallel_blocks(context, args.rows, 8, [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(cross_entropy_rows)(args, begin, end);
  });
}

}  // namespace peryton::kernels::cpu
#endif
