// The plain loops: definition and test oracle.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/gated_rms_norm/gated_rms_norm.h"

#include <cmath>

#include "kernels/common/argument_error.h"

namespace peryton::kernels::cpu {
namespace {

template <class F>
F sigmoid(F x) {
  return 1 / (1 + std::exp(-x));
}

// One group of one row. Pointers are at its first element.
template <class T>
struct Group {
  const T *y, *z, *d_output;
  const compute_t<T>* weight;
  T *d_y, *d_z;
  compute_t<T>* d_weight;  // added to; may be null
};

template <class T>
void backward_group(const Group<T>& at, std::int64_t size, compute_t<T> r, bool before) {
  using F = compute_t<T>;
  F dot = 0;
  const auto value = [&](std::int64_t i, F& gate, F& v, F& d) {
    const F z = static_cast<F>(at.z[i]), y = static_cast<F>(at.y[i]);
    gate = z * sigmoid(z);
    v = before ? y : y * gate;
    d = static_cast<F>(at.d_output[i]) * (before ? gate : F(1));
  };
  F gate, v, d;
  for (std::int64_t i = 0; i < size; ++i) {
    value(i, gate, v, d);
    dot += d * at.weight[i] * v;
  }
  const F mean = dot / static_cast<F>(size);
  for (std::int64_t i = 0; i < size; ++i) {
    value(i, gate, v, d);
    const F z = static_cast<F>(at.z[i]), s = sigmoid(z), slope = s * (1 + z * (1 - s));
    const F dv = r * (d * at.weight[i] - v * r * r * mean);
    const F d_gate = before ? static_cast<F>(at.d_output[i]) * v * r * at.weight[i]
                            : dv * static_cast<F>(at.y[i]);
    at.d_y[i] = static_cast<T>(before ? dv : dv * gate);
    at.d_z[i] = static_cast<T>(d_gate * slope);
    if (at.d_weight != nullptr) at.d_weight[i] += d * v * r;
  }
}

}  // namespace

template <class T>
void reference::gated_rms_norm(const GatedRmsNormForwardArgs<T>& args) {
  using F = compute_t<T>;
  require(args.width % args.groups == 0, "gated_rms_norm", args.groups, " groups of ", args.width);
  const std::int64_t size = args.width / args.groups;
  for (std::int64_t row = 0; row < args.rows; ++row) {
    for (std::int64_t group = 0; group < args.groups; ++group) {
      const T* y = args.y + row * args.y_stride + group * size;
      const T* z = args.z + row * args.z_stride + group * size;
      const auto gate = [&](std::int64_t i) {
        return static_cast<F>(z[i]) * sigmoid(static_cast<F>(z[i]));
      };
      const auto value = [&](std::int64_t i) {
        return static_cast<F>(y[i]) * (args.norm_before_gate ? F(1) : gate(i));
      };
      F sum = 0;
      for (std::int64_t i = 0; i < size; ++i) sum += value(i) * value(i);
      const F r = 1 / std::sqrt(sum / static_cast<F>(size) + static_cast<F>(args.eps));
      args.inverse_rms[row * args.groups + group] = r;
      T* out = args.output + row * args.output_stride + group * size;
      for (std::int64_t i = 0; i < size; ++i) {
        const F normed = value(i) * r * args.weight[group * size + i];
        out[i] = static_cast<T>(args.norm_before_gate ? normed * gate(i) : normed);
      }
    }
  }
}

template <class T>
void reference::gated_rms_norm_backward(const GatedRmsNormBackwardArgs<T>& args) {
  require(args.width % args.groups == 0, "gated_rms_norm", args.groups, " groups of ", args.width);
  const std::int64_t size = args.width / args.groups;
  for (std::int64_t i = 0; args.d_weight != nullptr && i < args.width; ++i) args.d_weight[i] = 0;
  for (std::int64_t row = 0; row < args.rows; ++row) {
    for (std::int64_t group = 0; group < args.groups; ++group) {
      const std::int64_t i = group * size;
      const Group<T> at{args.y + row * args.y_stride + i,
                        args.z + row * args.z_stride + i,
                        args.d_output + row * args.d_output_stride + i,
                        args.weight + i,
                        args.d_y + row * args.d_y_stride + i,
                        args.d_z + row * args.d_z_stride + i,
                        args.d_weight == nullptr ? nullptr : args.d_weight + i};
      backward_group(at, size, args.inverse_rms[row * args.groups + group], args.norm_before_gate);
    }
  }
}

#define PERYTON_INSTANTIATE(T)                                                   \
  template void reference::gated_rms_norm<T>(const GatedRmsNormForwardArgs<T>&); \
  template void reference::gated_rms_norm_backward<T>(const GatedRmsNormBackwardArgs<T>&);
PERYTON_INSTANTIATE(float)
PERYTON_INSTANTIATE(BFloat16)
PERYTON_INSTANTIATE(double)
#undef PERYTON_INSTANTIATE

}  // namespace peryton::kernels::cpu
