// The executable definition of the rotary embedding, and its tables.
// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "kernels/rotary/rotary.h"

namespace peryton::kernels::cpu {

template <class C>
void rotary_table(const RotaryTableArgs<C>& a, const Context& context) {
  parallel_for(context, a.half, [&](std::int64_t j) {
    const double plain = std::pow(a.base, -static_cast<double>(j) / static_cast<double>(a.half));
    const double frequency = a.frequencies != nullptr ? a.frequencies[j] : plain;
    for (std::int64_t p = 0; p < a.positions; ++p) {
      const double angle = static_cast<double>(p) * frequency;
      a.cosine[p * a.half + j] = static_cast<C>(a.scale * std::cos(angle));
      a.sine[p * a.half + j] = static_cast<C>(a.scale * std::sin(angle));
    }
  });
}

template void rotary_table<float>(const RotaryTableArgs<float>&, const Context&);
template void rotary_table<double>(const RotaryTableArgs<double>&, const Context&);

namespace reference {

template <class T>
void rotary(const RotaryArgs<T>& a, const Context& context) {
  using C = compute_t<T>;
  parallel_for(context, a.rows, [&](std::int64_t row) {
    const C* cosine = a.cosine + a.position[row] * a.half;
    const C* sine = a.sine + a.position[row] * a.half;
    for (std::int64_t head = 0; head < a.heads; ++head) {
      const T* input = a.input + row * a.input_row_stride + head * a.input_head_stride;
      T* output = a.output + row * a.output_row_stride + head * a.output_head_stride;
      for (std::int64_t j = 0; j < a.half; ++j) {
        const C s = a.inverse ? -sine[j] : sine[j];
        const C first = static_cast<C>(input[j]), second = static_cast<C>(input[j + a.half]);
        output[j] = static_cast<T>(first * cosine[j] - second * s);
        output[j + a.half] = static_cast<T>(second * cosine[j] + first * s);
      }
      for (std::int64_t j = 2 * a.half; j < a.width; ++j) output[j] = input[j];
    }
  });
}

template void rotary<float>(const RotaryArgs<float>&, const Context&);
template void rotary<BFloat16>(const RotaryArgs<BFloat16>&, const Context&);
template void rotary<double>(const RotaryArgs<double>&, const Context&);

}  // namespace reference
}  // namespace peryton::kernels::cpu
