// The time step Delta of the scan and its derivative, shared by every path.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>

namespace peryton::kernels {

// log(1 + exp(v)); log1p keeps the relative accuracy where exp(v) is small.
template <class T>
T softplus(T v) {
  return v > T(20) ? v : std::log1p(std::exp(v));
}

template <class T>
T time_step(T v, T dt_min, T dt_max) {
  return std::min(std::max(softplus(v), dt_min), dt_max);
}

// d time_step / d v: none where the limits cut.
template <class T>
T time_step_slope(T v, T dt_min, T dt_max) {
  const T value = softplus(v);
  if (value < dt_min || value > dt_max) return T(0);
  return v > T(20) ? T(1) : 1 / (1 + std::exp(-v));
}

}  // namespace peryton::kernels
