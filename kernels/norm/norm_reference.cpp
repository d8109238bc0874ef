// The executable definition of normalisation.
// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "kernels/common/row_blocks.h"
#include "kernels/norm/norm.h"

namespace peryton::kernels {

std::int64_t norm_workspace(std::int64_t rows, std::int64_t width) {
  return row_block_count(rows) * 2 * width;
}

namespace cpu::reference {

template <class T>
void norm_forward(const NormForwardArgs<T>& a, const Context& context) {
  using C = compute_t<T>;
  parallel_for(context, a.rows, [&](std::int64_t row) {
    const T* input = a.input + row * a.input_stride;
    T* output = a.output + row * a.output_stride;
    if (a.addend != nullptr) {
      T* sum = a.sum + row * a.width;
      for (std::int64_t i = 0; i < a.width; ++i) {
        sum[i] =
            static_cast<T>(static_cast<C>(input[i]) + static_cast<C>(a.addend[row * a.width + i]));
      }
      input = sum;
    }
    C mean = 0, variance = 0;
    if (a.mean != nullptr) {
      for (std::int64_t i = 0; i < a.width; ++i) mean += static_cast<C>(input[i]);
      mean /= static_cast<C>(a.width);
    }
    for (std::int64_t i = 0; i < a.width; ++i) {
      const C centred = static_cast<C>(input[i]) - mean;
      variance += centred * centred;
    }
    const C rstd = 1 / std::sqrt(variance / static_cast<C>(a.width) + static_cast<C>(a.eps));
    for (std::int64_t i = 0; i < a.width; ++i) {
      const C normal = (static_cast<C>(input[i]) - mean) * rstd;
      const C bias = a.bias != nullptr ? static_cast<C>(a.bias[i]) : 0;
      output[i] = static_cast<T>(normal * static_cast<C>(a.weight[i]) + bias);
    }
    if (a.mean != nullptr) a.mean[row] = mean;
    a.rstd[row] = rstd;
  });
}

namespace {

template <class T>
void input_gradient(const NormBackwardArgs<T>& a, const Context& context) {
  using C = compute_t<T>;
  parallel_for(context, a.rows, [&](std::int64_t row) {
    const T* input = a.input + row * a.input_stride;
    const T* d_output = a.d_output + row * a.d_output_stride;
    T* d_input = a.d_input + row * a.d_input_stride;
    const C mean = a.mean != nullptr ? a.mean[row] : C(0);
    const auto normal = [&](std::int64_t i) {
      return (static_cast<C>(input[i]) - mean) * a.rstd[row];
    };
    const auto scaled = [&](std::int64_t i) {
      return static_cast<C>(d_output[i]) * static_cast<C>(a.weight[i]);
    };
    C sum = 0, product = 0;
    for (std::int64_t i = 0; i < a.width; ++i) {
      sum += scaled(i);
      product += scaled(i) * normal(i);
    }
    sum = a.mean != nullptr ? sum / static_cast<C>(a.width) : C(0);
    product /= static_cast<C>(a.width);
    for (std::int64_t i = 0; i < a.width; ++i) {
      const C other = a.d_sum != nullptr ? static_cast<C>(a.d_sum[row * a.width + i]) : C(0);
      d_input[i] = static_cast<T>(a.rstd[row] * (scaled(i) - sum - normal(i) * product) + other);
    }
  });
}

}  // namespace

template <class T>
void norm_backward(const NormBackwardArgs<T>& a, const Context& context) {
  using C = compute_t<T>;
  parallel_for(context, a.width, [&](std::int64_t i) {
    C d_weight = 0, d_bias = 0;
    for (std::int64_t row = 0; row < a.rows; ++row) {
      const C d_y = static_cast<C>(a.d_output[row * a.d_output_stride + i]);
      const C mean = a.mean != nullptr ? a.mean[row] : C(0);
      const C centred = static_cast<C>(a.input[row * a.input_stride + i]) - mean;
      d_weight += d_y * centred * a.rstd[row];
      d_bias += d_y;
    }
    if (a.d_weight != nullptr) a.d_weight[i] = d_weight;
    if (a.d_bias != nullptr) a.d_bias[i] = d_bias;
  });
  if (a.d_input != nullptr) input_gradient(a, context);
}

#define PERYTON_INSTANTIATE(T)                                              \
  template void norm_forward<T>(const NormForwardArgs<T>&, const Context&); \
  template void norm_backward<T>(const NormBackwardArgs<T>&, const Context&);
PERYTON_INSTANTIATE(float)
PERYTON_INSTANTIATE(BFloat16)
PERYTON_INSTANTIATE(double)
#undef PERYTON_INSTANTIATE

}  // namespace cpu::reference
}  // namespace peryton::kernels
