// The recurrence and its adjoint, one channel at a time: definition and test oracle.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "kernels/selective_scan/selective_scan.h"
#include "kernels/ssd/time_step.h"

namespace peryton::kernels::cpu::reference {
namespace {

// One channel of one row. states[0] enters token 0, states[t + 1] leaves token t.
template <class T>
class Channel {
 public:
  Channel(const SelectiveScanArgs<T>& args, T* states, std::int64_t row, std::int64_t channel)
      : args_(args), states_(states), row_(row), channel_(channel) {
    for (std::int64_t n = 0; n < size(); ++n) {
      const std::int64_t i = (row * size() + n) * args.shape.channels + channel;
      states[n] = args.initial_state == nullptr ? T(0) : args.initial_state[i];
    }
    for (std::int64_t t = 0; t < args.shape.tokens; ++t) {
      for (std::int64_t n = 0; n < size(); ++n) {
        const T kept = decay(t, n) == 0 ? T(0) : decay(t, n) * entering(t)[n];
        states_[(t + 1) * size() + n] = kept + step(t) * x(t) * b(t)[n];
      }
    }
  }

  std::int64_t size() const { return args_.shape.state; }
  T a(std::int64_t n) const { return -std::exp(args_.a_log[channel_ * size() + n]); }
  T d() const { return args_.d[channel_]; }
  T x(std::int64_t t) const { return args_.at(args_.x, args_.x_strides, row_, t)[channel_]; }
  const T* b(std::int64_t t) const { return args_.at(args_.b, args_.b_strides, row_, t); }
  const T* c(std::int64_t t) const { return args_.at(args_.c, args_.c_strides, row_, t); }
  T pre_step(std::int64_t t) const {
    return args_.at(args_.dt, args_.dt_strides, row_, t)[channel_] + args_.dt_bias[channel_];
  }
  T step(std::int64_t t) const { return softplus(pre_step(t)); }
  T step_slope(std::int64_t t) const { return 1 / (1 + std::exp(-pre_step(t))); }
  T decay(std::int64_t t, std::int64_t n) const {
    return args_.resets(row_, t) ? T(0) : std::exp(step(t) * a(n));
  }
  const T* entering(std::int64_t t) const { return states_ + t * size(); }
  const T* leaving(std::int64_t t) const { return entering(t + 1); }

 private:
  const SelectiveScanArgs<T>& args_;
  T* states_;
  std::int64_t row_, channel_;
};

template <class T>
T* token(T* data, const TokenStrides& strides, std::int64_t row, std::int64_t t) {
  return data + row * strides.batch + t * strides.token;
}

// `g` [N] is the gradient of the state that leaves token t, and then of the one that enters it.
template <class T>
void backward_token(const SelectiveScanBackwardArgs<T>& a, const Channel<T>& scan, T* g,
                    std::int64_t row, std::int64_t channel, std::int64_t t) {
  const T d_y = a.at(a.d_y, a.d_y_strides, row, t)[channel], step = scan.step(t), x = scan.x(t);
  T *d_b = token(a.d_b, a.d_b_strides, row, t), *d_c = token(a.d_c, a.d_c_strides, row, t);
  T u = 0, d_step = 0;
  for (std::int64_t n = 0; n < scan.size(); ++n) {
    g[n] += scan.c(t)[n] * d_y;
    d_c[n] += d_y * scan.leaving(t)[n];
    d_b[n] += g[n] * step * x;
    u += g[n] * scan.b(t)[n];
    const T kept = g[n] * scan.decay(t, n), w = kept * scan.entering(t)[n];
    d_step += w * scan.a(n);
    if (a.d_a_log != nullptr) a.d_a_log[channel * scan.size() + n] += step * w * scan.a(n);
    g[n] = kept;
  }
  const T d_pre = (d_step + x * u) * scan.step_slope(t);
  token(a.d_x, a.d_x_strides, row, t)[channel] = step * u + scan.d() * d_y;
  token(a.d_dt, a.d_dt_strides, row, t)[channel] = d_pre;
  if (a.d_dt_bias != nullptr) a.d_dt_bias[channel] += d_pre;
  if (a.d_d != nullptr) a.d_d[channel] += d_y * x;
}

template <class T>
void clear(const SelectiveScanBackwardArgs<T>& a) {
  const SelectiveScanShape& s = a.shape;
  for (std::int64_t row = 0; row < s.batch; ++row) {
    for (std::int64_t t = 0; t < s.tokens; ++t) {
      std::fill_n(token(a.d_b, a.d_b_strides, row, t), s.state, T(0));
      std::fill_n(token(a.d_c, a.d_c_strides, row, t), s.state, T(0));
    }
  }
  if (a.d_a_log != nullptr) std::fill_n(a.d_a_log, s.channels * s.state, T(0));
  if (a.d_dt_bias != nullptr) std::fill_n(a.d_dt_bias, s.channels, T(0));
  if (a.d_d != nullptr) std::fill_n(a.d_d, s.channels, T(0));
}

}  // namespace

template <class T>
void selective_scan_forward(const SelectiveScanForwardArgs<T>& a, T* states) {
  const SelectiveScanShape& s = a.shape;
  for (std::int64_t i = 0; i < s.batch * s.channels; ++i) {
    const std::int64_t row = i / s.channels, channel = i % s.channels;
    const Channel<T> scan(a, states, row, channel);
    for (std::int64_t t = 0; t < s.tokens; ++t) {
      T sum = scan.d() * scan.x(t);
      for (std::int64_t n = 0; n < s.state; ++n) sum += scan.c(t)[n] * scan.leaving(t)[n];
      token(a.y, a.y_strides, row, t)[channel] = sum;
    }
    for (std::int64_t n = 0; n < s.state; ++n) {
      const std::int64_t at = n * s.channels + channel, size = s.state * s.channels;
      for (std::int64_t chunk = 0; a.chunk_states != nullptr && chunk < s.chunks(); ++chunk) {
        a.chunk_states[(row * s.chunks() + chunk) * size + at] =
            scan.entering(chunk * kSelectiveScanChunk)[n];
      }
      if (a.final_state != nullptr) a.final_state[row * size + at] = scan.entering(s.tokens)[n];
    }
  }
}

template <class T>
void selective_scan_backward(const SelectiveScanBackwardArgs<T>& a, T* states) {
  const SelectiveScanShape& s = a.shape;
  clear(a);
  for (std::int64_t i = 0; i < s.batch * s.channels; ++i) {
    const std::int64_t row = i / s.channels, channel = i % s.channels;
    const Channel<T> scan(a, states, row, channel);
    T* g = states + (s.tokens + 1) * s.state;
    const auto place = [&](std::int64_t n) { return (row * s.state + n) * s.channels + channel; };
    for (std::int64_t n = 0; n < s.state; ++n) {
      g[n] = a.d_final_state == nullptr ? T(0) : a.d_final_state[place(n)];
    }
    for (std::int64_t t = s.tokens - 1; t >= 0; --t) {
      backward_token(a, scan, g, row, channel, t);
    }
    for (std::int64_t n = 0; a.d_initial_state != nullptr && n < s.state; ++n) {
      a.d_initial_state[place(n)] = g[n];
    }
  }
}

#define PERYTON_INSTANTIATE(T)                                                     \
  template void selective_scan_forward<T>(const SelectiveScanForwardArgs<T>&, T*); \
  template void selective_scan_backward<T>(const SelectiveScanBackwardArgs<T>&, T*);
PERYTON_INSTANTIATE(float)
PERYTON_INSTANTIATE(double)
#undef PERYTON_INSTANTIATE

}  // namespace peryton::kernels::cpu::reference
