// Fast path: vectors over the group, tasks are blocks of rows.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <type_traits>

#include "kernels/gated_rms_norm/gated_rms_norm.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gated_rms_norm/gated_rms_norm_cpu.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
// After highway.h
#include "hwy/contrib/math/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::cpu::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

template <class D, class V>
HWY_INLINE V Sigmoid(D d, V x) {
  const V one = hn::Set(d, 1.0f);
  return hn::Div(one, hn::Add(one, hn::Exp(d, hn::Neg(x))));
}

// One group of one row: pointers to its first element.
struct Group {
  const float *y, *z, *weight, *d_output;
  float *output, *d_y, *d_z, *d_weight;
  bool before;
  float r;     // 1 / rms
  float mean;  // backward: mean(g * v) * r^2
};

template <class D>
HWY_INLINE hn::Vec<D> Gate(D d, const Group& at, std::int64_t i) {
  const auto z = hn::LoadU(d, at.z + i);
  return hn::Mul(z, Sigmoid(d, z));
}

// v^2, and v kept in `output` (its final multiply comes later).
template <class D>
HWY_INLINE hn::Vec<D> SquareAt(D d, const Group& at, std::int64_t i) {
  auto v = hn::LoadU(d, at.y + i);
  if (!at.before) v = hn::Mul(v, Gate(d, at, i));
  hn::StoreU(v, d, at.output + i);
  return hn::Mul(v, v);
}

template <class D>
HWY_INLINE void ScaleAt(D d, const Group& at, std::int64_t i) {
  auto out =
      hn::Mul(hn::Mul(hn::LoadU(d, at.output + i), hn::Set(d, at.r)), hn::LoadU(d, at.weight + i));
  if (at.before) out = hn::Mul(out, Gate(d, at, i));
  hn::StoreU(out, d, at.output + i);
}

// g * v; keeps sigmoid(z) in d_z.
template <class D>
HWY_INLINE hn::Vec<D> DotAt(D d, const Group& at, std::int64_t i) {
  const auto z = hn::LoadU(d, at.z + i);
  const auto sigmoid = Sigmoid(d, z);
  hn::StoreU(sigmoid, d, at.d_z + i);
  // y * gate * d_output * w in both modes.
  return hn::Mul(hn::Mul(hn::LoadU(d, at.y + i), hn::Mul(z, sigmoid)),
                 hn::Mul(hn::LoadU(d, at.d_output + i), hn::LoadU(d, at.weight + i)));
}

template <class D>
HWY_INLINE void GradientAt(D d, const Group& at, std::int64_t i) {
  const auto one = hn::Set(d, 1.0f), r = hn::Set(d, at.r), mean = hn::Set(d, at.mean);
  const auto y = hn::LoadU(d, at.y + i), z = hn::LoadU(d, at.z + i);
  const auto s = hn::LoadU(d, at.d_z + i), w = hn::LoadU(d, at.weight + i);
  const auto gate = hn::Mul(z, s);
  const auto slope = hn::Mul(s, hn::MulAdd(z, hn::Sub(one, s), one));
  const auto d_out = hn::LoadU(d, at.d_output + i);
  const auto v = at.before ? y : hn::Mul(y, gate);
  const auto d_normed = at.before ? hn::Mul(d_out, gate) : d_out;
  const auto dv = hn::Mul(r, hn::Sub(hn::Mul(d_normed, w), hn::Mul(v, mean)));
  const auto d_gate = at.before ? hn::Mul(hn::Mul(d_out, w), hn::Mul(v, r)) : hn::Mul(dv, y);
  hn::StoreU(at.before ? dv : hn::Mul(dv, gate), d, at.d_y + i);
  hn::StoreU(hn::Mul(d_gate, slope), d, at.d_z + i);
  if (at.d_weight == nullptr) return;
  hn::StoreU(hn::MulAdd(d_normed, hn::Mul(v, r), hn::LoadU(d, at.d_weight + i)), d,
             at.d_weight + i);
}

float ForwardSum(const Group& at, std::int64_t size) {
  const hn::ScalableTag<float> d;
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d));
  auto sum = hn::Zero(d);
  std::int64_t i = 0;
  for (; i + lanes <= size; i += lanes) sum = hn::Add(sum, SquareAt(d, at, i));
  float total = hn::GetLane(hn::SumOfLanes(d, sum));
  for (; i < size; ++i) total += hn::GetLane(SquareAt(hn::CappedTag<float, 1>(), at, i));
  return total;
}

float BackwardSum(const Group& at, std::int64_t size) {
  const hn::ScalableTag<float> d;
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d));
  auto sum = hn::Zero(d);
  std::int64_t i = 0;
  for (; i + lanes <= size; i += lanes) sum = hn::Add(sum, DotAt(d, at, i));
  float total = hn::GetLane(hn::SumOfLanes(d, sum));
  for (; i < size; ++i) total += hn::GetLane(DotAt(hn::CappedTag<float, 1>(), at, i));
  return total;
}

template <class Args>
Group GroupAt(const Args& args, std::int64_t row, std::int64_t i) {
  Group at = {};
  at.y = args.y + row * args.y_stride + i;
  at.z = args.z + row * args.z_stride + i;
  at.weight = args.weight + i;
  at.before = args.norm_before_gate;
  return at;
}

void ForwardRow(const GatedRmsNormForwardArgs<float>& args, std::int64_t row) {
  const hn::ScalableTag<float> d;
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t size = args.width / args.groups;
  for (std::int64_t group = 0; group < args.groups; ++group) {
    Group at = GroupAt(args, row, group * size);
    at.output = args.output + row * args.output_stride + group * size;
    const float mean = ForwardSum(at, size) / static_cast<float>(size);
    at.r = 1.0f / std::sqrt(mean + static_cast<float>(args.eps));
    args.inverse_rms[row * args.groups + group] = at.r;
    std::int64_t i = 0;
    for (; i + lanes <= size; i += lanes) ScaleAt(d, at, i);
    for (; i < size; ++i) ScaleAt(hn::CappedTag<float, 1>(), at, i);
  }
}

void BackwardRow(const GatedRmsNormBackwardArgs<float>& args, std::int64_t row, float* d_weight) {
  const hn::ScalableTag<float> d;
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t size = args.width / args.groups;
  for (std::int64_t group = 0; group < args.groups; ++group) {
    Group at = GroupAt(args, row, group * size);
    at.d_output = args.d_output + row * args.d_output_stride + group * size;
    at.d_y = args.d_y + row * args.d_y_stride + group * size;
    at.d_z = args.d_z + row * args.d_z_stride + group * size;
    at.d_weight = d_weight == nullptr ? nullptr : d_weight + group * size;
    at.r = args.inverse_rms[row * args.groups + group];
    at.mean = BackwardSum(at, size) / static_cast<float>(size) * at.r * at.r;
    std::int64_t i = 0;
    for (; i + lanes <= size; i += lanes) GradientAt(d, at, i);
    for (; i < size; ++i) GradientAt(hn::CappedTag<float, 1>(), at, i);
  }
}

void Forward(const GatedRmsNormForwardArgs<float>& args, const Context& context) {
  parallel_blocks(context, args.rows, kGatedRmsNormRowBlock,
                  [&](std::int64_t begin, std::int64_t end) {
                    for (std::int64_t row = begin; row < end; ++row) ForwardRow(args, row);
                  });
}

void Backward(const GatedRmsNormBackwardArgs<float>& args, const Context& context) {
  parallel_blocks(context, args.rows, kGatedRmsNormRowBlock,
                  [&](std::int64_t begin, std::int64_t end) {
                    float* d_weight = nullptr;
                    if (args.d_weight != nullptr) {
                      d_weight = args.workspace + begin / kGatedRmsNormRowBlock * args.width;
                      std::fill_n(d_weight, args.width, 0.0f);
                    }
                    for (std::int64_t row = begin; row < end; ++row)
                      BackwardRow(args, row, d_weight);
                  });
}

}  // namespace
}  // namespace peryton::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace peryton::kernels::cpu {

HWY_EXPORT(Forward);
HWY_EXPORT(Backward);

template <class T>
void gated_rms_norm(const GatedRmsNormForwardArgs<T>& args, const Context& context) {
  require(args.width % args.groups == 0, "gated_rms_norm", args.groups, " groups of ", args.width);
  if constexpr (std::is_same_v<T, float>) {
    HWY_DYNAMIC_DISPATCH(Forward)(args, context);
  } else {
    reference::gated_rms_norm(args);
  }
}

template <class T>
void gated_rms_norm_backward(const GatedRmsNormBackwardArgs<T>& args, const Context& context) {
  require(args.width % args.groups == 0, "gated_rms_norm", args.groups, " groups of ", args.width);
  if constexpr (std::is_same_v<T, float>) {
    HWY_DYNAMIC_DISPATCH(Backward)(args, context);
    if (args.d_weight == nullptr) return;
    const std::int64_t blocks = divide_up(args.rows, kGatedRmsNormRowBlock);
    std::fill_n(args.d_weight, args.width, 0.0f);
    for (std::int64_t block = 0; block < blocks; ++block) {
      const float* partial = args.workspace + block * args.width;
      for (std::int64_t i = 0; i < args.width; ++i) args.d_weight[i] += partial[i];
    }
  } else {
    reference::gated_rms_norm_backward(args);
  }
}

#define PERYTON_INSTANTIATE(T)                                                        \
  template void gated_rms_norm<T>(const GatedRmsNormForwardArgs<T>&, const Context&); \
  template void gated_rms_norm_backward<T>(const GatedRmsNormBackwardArgs<T>&, const Context&);
PERYTON_INSTANTIATE(float)
PERYTON_INSTANTIATE(BFloat16)
PERYTON_INSTANTIATE(double)
#undef PERYTON_INSTANTIATE

}  // namespace peryton::kernels::cpu
#endif  // HWY_ONCE
