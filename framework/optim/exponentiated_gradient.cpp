// SPDX-License-Identifier: Apache-2.0
#include "framework/optim/exponentiated_gradient.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace peryton {

void exponentiated_gradient(const Tensor& alpha, const Tensor& gradient, double rate,
                            double gradient_scale, double floor) {
  PERYTON_CHECK(alpha.shape() == gradient.shape() && alpha.dtype() == gradient.dtype());
  dispatch_float(alpha.dtype(), "exponentiated_gradient", [&](auto tag) {
    using T = typename decltype(tag)::type;
    const Tensor rows = alpha.rows(), steps = gradient.rows();
    std::vector<double> row(static_cast<std::size_t>(rows.size(1)));
    for (std::int64_t r = 0; r < rows.size(0); ++r) {
      T* to = rows.data<T>() + r * rows.stride(0);
      const T* g = steps.data<T>() + r * steps.stride(0);
      double sum = 0;
      for (std::size_t k = 0; k < row.size(); ++k) {
        const double step = -rate * gradient_scale * static_cast<double>(g[k]);
        const double exponent = std::clamp(step, -kLargestAlphaExponent, kLargestAlphaExponent);
        row[k] = std::max(static_cast<double>(to[k]) * std::exp(exponent), floor);
        sum += row[k];
      }
      for (std::size_t k = 0; k < row.size(); ++k) {
        to[k] = static_cast<T>(static_cast<compute_t<T>>(row[k] / sum));
      }
    }
  });
}

}  // namespace peryton
