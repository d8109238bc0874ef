// The plain loops: definition and test oracle.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/causal_conv1d/causal_conv1d.h"

#include <cmath>

#include "kernels/common/argument_error.h"

namespace peryton::kernels::cpu {
namespace {

template <class T>
compute_t<T> pre_activation(const CausalConv1dArgs<T>& args, std::int64_t b, std::int64_t t,
                            std::int64_t c) {
  using F = compute_t<T>;
  F sum = args.bias == nullptr ? F(0) : args.bias[c];
  for (std::int64_t k = args.first_tap(b, t); k < args.width; ++k) {
    const F in = static_cast<F>(args.row(b, t - (args.width - 1) + k)[c]);
    sum += args.weight[k * args.channels + c] * in;
  }
  return sum;
}

template <class T>
void backward_channel(const CausalConv1dBackwardArgs<T>& args, std::int64_t c) {
  using F = compute_t<T>;
  const std::int64_t w = args.width;
  F d_bias = 0;
  for (std::int64_t k = 0; args.d_weight != nullptr && k < w; ++k) {
    args.d_weight[k * args.channels + c] = 0;
  }
  F* ring = args.workspace + c * (w + 1);  // d_in of positions t - (W-1) .. t
  for (std::int64_t b = 0; b < args.batch; ++b) {
    for (std::int64_t t = 0; t < args.tokens + w - 1; ++t) {
      ring[t % w] = 0;
      if (t < args.tokens) {
        F d = static_cast<F>(
            args.d_output[b * args.d_output_strides.batch + t * args.d_output_strides.token + c]);
        if (args.silu) {
          const F value = pre_activation<T>(args, b, t, c);
          const F gate = 1 / (1 + std::exp(-value));
          d *= gate * (1 + value * (1 - gate));
        }
        d_bias += d;
        for (std::int64_t k = args.first_tap(b, t); k < w; ++k) {
          const std::int64_t s = t - (w - 1) + k;
          if (args.d_weight != nullptr) {
            args.d_weight[k * args.channels + c] += d * static_cast<F>(args.row(b, s)[c]);
          }
          if (s >= 0) ring[s % w] += args.weight[k * args.channels + c] * d;
        }
      }
      const std::int64_t done = t - (w - 1);
      if (done < 0) continue;
      args.d_input[b * args.d_input_strides.batch + done * args.d_input_strides.token + c] =
          static_cast<T>(ring[done % w]);
    }
  }
  if (args.d_bias != nullptr) args.d_bias[c] = d_bias;
}

}  // namespace

template <class T>
void reference::causal_conv1d(const CausalConv1dForwardArgs<T>& args) {
  using F = compute_t<T>;
  require(args.width >= 1, "causal_conv1d", "width ", args.width);
  for (std::int64_t b = 0; b < args.batch; ++b) {
    for (std::int64_t t = 0; t < args.tokens; ++t) {
      T* out = args.output + b * args.output_strides.batch + t * args.output_strides.token;
      for (std::int64_t c = 0; c < args.channels; ++c) {
        const F value = pre_activation<T>(args, b, t, c);
        out[c] = static_cast<T>(args.silu ? value / (1 + std::exp(-value)) : value);
      }
    }
  }
}

template <class T>
void reference::causal_conv1d_backward(const CausalConv1dBackwardArgs<T>& args) {
  require(args.width >= 1, "causal_conv1d", "width ", args.width);
  for (std::int64_t c = 0; c < args.channels; ++c) backward_channel(args, c);
}

template <class T>
void causal_conv1d_advance(const CausalConv1dArgs<T>& args, T* halo) {
  const std::int64_t kept = args.width - 1;
  for (std::int64_t b = 0; b < args.batch; ++b) {
    for (std::int64_t i = 0; i < kept; ++i) {
      const std::int64_t s = args.tokens - kept + i;  // ascending, so sources are not overwritten
      T* target = halo + (b * kept + i) * args.channels;
      const T* source = s < 0 ? halo + (b * kept + s + kept) * args.channels : args.row(b, s);
      std::copy(source, source + args.channels, target);
    }
  }
}

#define PERYTON_INSTANTIATE(T)                                                            \
  template void reference::causal_conv1d<T>(const CausalConv1dForwardArgs<T>&);           \
  template void reference::causal_conv1d_backward<T>(const CausalConv1dBackwardArgs<T>&); \
  template void causal_conv1d_advance<T>(const CausalConv1dArgs<T>&, T*);
PERYTON_INSTANTIATE(float)
PERYTON_INSTANTIATE(BFloat16)
PERYTON_INSTANTIATE(double)
#undef PERYTON_INSTANTIATE

}  // namespace peryton::kernels::cpu
