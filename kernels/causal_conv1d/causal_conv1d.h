// Causal depthwise convolution over tokens with an optional SiLU (Mamba-2, arXiv 2405.21060,
// section 8):
//   c[b, t] = bias + sum_k weight[k] * in[b, t - (W-1) + k],   out = silu(c) or c
// Tokens before the row are the halo, or zeros; taps that reach before the document of token t are
// dropped. Backward, with dc = d_out * silu'(c):
//   d_in[b, t] = sum_k weight[k] * dc[b, t + (W-1) - k],  d_weight[k] = sum_bt dc[b, t] * in[b, t -
//   (W-1) + k], d_bias = sum_bt dc[b, t]
// Rows of input, output and their gradients may be strided (a column slice of a projection).
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/common/context.h"
#include "kernels/common/dtype.h"
#include "kernels/common/token_strides.h"

namespace peryton::kernels {

// Wider ones run the reference.
constexpr std::int64_t kFastConvWidth = 16;

template <class T>
struct CausalConv1dArgs {
  std::int64_t batch, tokens, channels, width;
  const T* input;
  TokenStrides input_strides;
  const compute_t<T>* weight;          // [width, channels]: taps outermost
  const compute_t<T>* bias;            // [channels] or null
  const std::int32_t* document_start;  // [batch, tokens] or null: one document per row
  const T* halo;                       // [batch, width - 1, channels], oldest first; null: zeros
  bool silu;

  // The first tap of token t of row b that is not dropped; all later ones count.
  std::int64_t first_tap(std::int64_t b, std::int64_t t) const {
    const std::int64_t start = document_start == nullptr ? 0 : document_start[b * tokens + t];
    if (start == 0 && halo != nullptr) return 0;
    return std::max<std::int64_t>(0, start - (t - (width - 1)));
  }
  // The input of position `s` of row b; negative positions lie in the halo.
  const T* row(std::int64_t b, std::int64_t s) const {
    if (s < 0) return halo + (b * (width - 1) + s + width - 1) * channels;
    return input + b * input_strides.batch + s * input_strides.token;
  }
};

template <class T>
struct CausalConv1dForwardArgs : CausalConv1dArgs<T> {
  T* output;
  TokenStrides output_strides;
};

template <class T>
struct CausalConv1dBackwardArgs : CausalConv1dArgs<T> {
  const T* d_output;
  TokenStrides d_output_strides;
  T* d_input;  // overwritten
  TokenStrides d_input_strides;
  compute_t<T>* d_weight;   // [width, channels], overwritten; null: not wanted
  compute_t<T>* d_bias;     // [channels], overwritten; null: not wanted
  compute_t<T>* workspace;  // causal_conv1d_workspace() elements
};

// Per-row partial sums of the weight and bias gradients (the reference: unfinished input
// gradients), in elements of the compute type.
constexpr std::int64_t causal_conv1d_workspace(std::int64_t batch, std::int64_t channels,
                                               std::int64_t width) {
  return batch * (width + 1) * channels;
}

namespace cpu {
template <class T>
void causal_conv1d(const CausalConv1dForwardArgs<T>& args, const Context& context);
template <class T>
void causal_conv1d_backward(const CausalConv1dBackwardArgs<T>& args, const Context& context);
// halo <- the last width - 1 inputs of halo followed by input. `halo` may not be null.
template <class T>
void causal_conv1d_advance(const CausalConv1dArgs<T>& args, T* halo);

namespace reference {
template <class T>
void causal_conv1d(const CausalConv1dForwardArgs<T>& args);
template <class T>
void causal_conv1d_backward(const CausalConv1dBackwardArgs<T>& args);
}  // namespace reference
}  // namespace cpu

}  // namespace peryton::kernels
