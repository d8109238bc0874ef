// The plain loops: definition and test oracle.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/mlgru/mlgru.h"

#include <cmath>

#include "kernels/common/argument_error.h"

namespace peryton::kernels::cpu {
namespace {

template <class F>
F sigmoid(F x) {
  return 1 / (1 + std::exp(-x));
}

template <class T>
T* at(T* data, const TokenStrides& strides, std::int64_t b, std::int64_t t, std::int64_t c) {
  return data + b * strides.batch + t * strides.token + c;
}

// The gates of one token and channel.
template <class F>
struct Gates {
  F s, forget, keep;  // s(u), f, 1 - f
  F sv, silu;         // s(v), v s(v)

  Gates(F u, F v, F bound) {
    s = sigmoid(u);
    forget = bound + (1 - bound) * s;
    keep = (1 - bound) * sigmoid(-u);
    sv = sigmoid(v);
    silu = v * sv;
  }
};

template <class T>
Gates<compute_t<T>> gates_at(const MlgruArgs<T>& args, std::int64_t b, std::int64_t t,
                             std::int64_t c) {
  using F = compute_t<T>;
  return {static_cast<F>(*at(args.u, args.u_strides, b, t, c)),
          static_cast<F>(*at(args.v, args.v_strides, b, t, c)),
          args.bound == nullptr ? F(0) : args.bound[c]};
}

template <class T>
compute_t<T> backward_chain(const MlgruBackwardArgs<T>& args, std::int64_t b, std::int64_t c) {
  using F = compute_t<T>;
  const std::int64_t state = b * args.channels + c;
  F later = args.d_final_state == nullptr ? F(0) : args.d_final_state[state], d_bound = 0;
  for (std::int64_t t = args.tokens - 1; t >= 0; --t) {
    const Gates<F> g = gates_at(args, b, t, c);
    const F v = static_cast<F>(*at(args.v, args.v_strides, b, t, c));
    const F d = static_cast<F>(*at(args.d_h, args.d_h_strides, b, t, c)) + later;
    F before = 0;
    if (!args.fresh(b, t)) {
      before = t == 0 ? args.initial_state[state]
                      : static_cast<F>(*at(args.h, args.h_strides, b, t - 1, c));
    }
    const F df = d * (before - g.silu);
    // (1 - bound) s (1 - s) = (1 - f) s
    *at(args.d_u, args.d_u_strides, b, t, c) = static_cast<T>(df * g.keep * g.s);
    *at(args.d_v, args.d_v_strides, b, t, c) =
        static_cast<T>(d * g.keep * g.sv * (1 + v * (1 - g.sv)));
    d_bound += df * (1 - g.s);
    later = args.fresh(b, t) ? F(0) : g.forget * d;
  }
  if (args.d_initial_state != nullptr) args.d_initial_state[state] = later;
  return d_bound;
}

}  // namespace

template <class T>
void reference::mlgru(const MlgruForwardArgs<T>& args) {
  using F = compute_t<T>;
  for (std::int64_t b = 0; b < args.batch; ++b) {
    for (std::int64_t c = 0; c < args.channels; ++c) {
      const std::int64_t state = b * args.channels + c;
      F h = args.initial_state == nullptr ? F(0) : args.initial_state[state];
      for (std::int64_t t = 0; t < args.tokens; ++t) {
        const Gates<F> g = gates_at(args, b, t, c);
        if (args.fresh(b, t)) h = 0;
        h = g.forget * h + g.silu * g.keep;
        *at(args.h, args.h_strides, b, t, c) = static_cast<T>(h);
      }
      if (args.final_state != nullptr) args.final_state[state] = h;
    }
  }
}

template <class T>
void reference::mlgru_backward(const MlgruBackwardArgs<T>& args) {
  for (std::int64_t c = 0; c < args.channels; ++c) {
    compute_t<T> d_bound = 0;
    for (std::int64_t b = 0; b < args.batch; ++b) d_bound += backward_chain(args, b, c);
    if (args.d_bound != nullptr) args.d_bound[c] = d_bound;
  }
}

#define PERYTON_INSTANTIATE(T)                                   \
  template void reference::mlgru<T>(const MlgruForwardArgs<T>&); \
  template void reference::mlgru_backward<T>(const MlgruBackwardArgs<T>&);
PERYTON_INSTANTIATE(float)
PERYTON_INSTANTIATE(BFloat16)
PERYTON_INSTANTIATE(double)
#undef PERYTON_INSTANTIATE

}  // namespace peryton::kernels::cpu
