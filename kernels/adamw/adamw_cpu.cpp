// The plain kernels: the definition of AdamW and the sums of squares.
// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "kernels/adamw/adamw.h"
#include "kernels/common/argument_error.h"

namespace peryton::kernels {

double tree_sum(const double* values, std::int64_t count) {
  if (count <= 0) return 0.0;
  if (count == 1) return values[0];
  std::int64_t half = 1;
  while (2 * half < count) half *= 2;
  return tree_sum(values, half) + tree_sum(values + half, count - half);
}

namespace cpu {

template <class T>
void adamw_reference(const AdamWArgs<T>& args, const Context& context) {
  const T scale = static_cast<T>(args.gradient_scale), keep = static_cast<T>(1.0 - args.decay);
  const T new1 = static_cast<T>(1.0 - args.beta1), old2 = static_cast<T>(args.beta2);
  const T new2 = static_cast<T>(1.0 - args.beta2), epsilon = static_cast<T>(args.epsilon);
  const T step = static_cast<T>(args.step_size);
  const T correction = static_cast<T>(args.inverse_root_correction);
  parallel_blocks(context, args.count, 1 << 14, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const T g = scale * args.gradients[i];
      const T m = args.moment1[i] + new1 * (g - args.moment1[i]);
      const T v = old2 * args.moment2[i] + new2 * g * g;
      const T w = keep * args.weights[i];
      args.moment1[i] = m;
      args.moment2[i] = v;
      args.weights[i] = w - step * m / (std::sqrt(v) * correction + epsilon);
    }
  });
}

template <class T>
void square_partials(const SquaresArgs<T>& args, const Context& context) {
  parallel_for(context, square_blocks(args.count), [&](std::int64_t block) {
    const std::int64_t begin = block * kSquareBlock;
    const std::int64_t end = begin + kSquareBlock < args.count ? begin + kSquareBlock : args.count;
    double lanes[8] = {};
    std::int64_t i = begin;
    for (; i + 8 <= end; i += 8) {
      for (int lane = 0; lane < 8; ++lane) {
        const double x = static_cast<double>(args.values[i + lane]);
        lanes[lane] += x * x;
      }
    }
    for (int lane = 0; i < end; ++i, ++lane) {
      const double x = static_cast<double>(args.values[i]);
      lanes[lane] += x * x;
    }
    args.partials[block] = tree_sum(lanes, 8);
  });
}

template void adamw_reference<float>(const AdamWArgs<float>&, const Context&);
template void adamw_reference<double>(const AdamWArgs<double>&, const Context&);
template void square_partials<float>(const SquaresArgs<float>&, const Context&);
template void square_partials<double>(const SquaresArgs<double>&, const Context&);

void adamw(const AdamWArgs<double>& args, const Context& context) {
  adamw_reference(args, context);
}

}  // namespace cpu
}  // namespace peryton::kernels
