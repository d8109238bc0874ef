// RMS norm of a gated value, per group of the last dimension (Mamba-2, arXiv 2405.21060, section
// 8). With silu(z) = z * sigmoid(z), r = 1 / sqrt(mean over the group of v^2 + eps):
//   norm_before_gate false:  v = y * silu(z),  out = v * r * w
//   norm_before_gate true:   v = y,            out = v * r * w * silu(z)
// Backward, with g = w * d_out (times silu(z) if norm_before_gate):
//   dv = r * (g - v * r^2 * mean(g * v));  dw = sum over rows of (d_out [* silu(z)]) * v * r
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "kernels/common/context.h"
#include "kernels/common/dtype.h"

namespace peryton::kernels {

template <class T>
struct GatedRmsNormArgs {
  std::int64_t rows, width, groups;  // groups divides width
  const T* y;                        // [rows, width]; strides between rows in elements
  const T* z;
  std::int64_t y_stride, z_stride;
  const compute_t<T>* weight;  // [width]
  double eps;
  bool norm_before_gate;
};

template <class T>
struct GatedRmsNormForwardArgs : GatedRmsNormArgs<T> {
  T* output;
  std::int64_t output_stride;
  compute_t<T>* inverse_rms;  // [rows, groups]: r, wanted by backward
};

template <class T>
struct GatedRmsNormBackwardArgs : GatedRmsNormArgs<T> {
  const compute_t<T>* inverse_rms;
  const T* d_output;
  std::int64_t d_output_stride;
  T* d_y;  // overwritten, as d_z
  T* d_z;
  std::int64_t d_y_stride, d_z_stride;
  compute_t<T>* d_weight;   // [width], overwritten; null: not wanted
  compute_t<T>* workspace;  // gated_rms_norm_workspace() elements; unused when d_weight is null
};

constexpr std::int64_t kGatedRmsNormRowBlock = 64;

// Partial weight gradients per block of rows, in elements of the compute type.
constexpr std::int64_t gated_rms_norm_workspace(std::int64_t rows, std::int64_t width) {
  return divide_up(rows, kGatedRmsNormRowBlock) * width;
}

namespace cpu {
template <class T>
void gated_rms_norm(const GatedRmsNormForwardArgs<T>& args, const Context& context);
template <class T>
void gated_rms_norm_backward(const GatedRmsNormBackwardArgs<T>& args, const Context& context);

namespace reference {
template <class T>
void gated_rms_norm(const GatedRmsNormForwardArgs<T>& args);
template <class T>
void gated_rms_norm_backward(const GatedRmsNormBackwardArgs<T>& args);
}  // namespace reference
}  // namespace cpu

}  // namespace peryton::kernels
