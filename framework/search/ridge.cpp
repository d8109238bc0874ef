// SPDX-License-Identifier: Apache-2.0
#include "framework/search/ridge.h"

#include <algorithm>
#include <cmath>

#include "framework/ops/matrix.h"

namespace peryton {
namespace {

constexpr std::int64_t kChunkRows = 512;

Tensor with_ones(const Tensor& x) {
  const Tensor out = Tensor::full(DType::kFloat32, {x.size(0), x.size(1) + 1}, 1.0);
  out.slice(1, 0, x.size(1)).copy_from(x);
  return out;
}

void add_to(std::span<double> sums, const Tensor& product) {
  const auto values = product.values<float>();
  for (std::size_t i = 0; i < values.size(); ++i) sums[i] += static_cast<double>(values[i]);
}

}  // namespace

RegressionSums::RegressionSums(std::int64_t inputs, std::int64_t outputs)
    : inputs_(inputs),
      outputs_(outputs),
      values_(static_cast<std::size_t>((inputs + 1) * (inputs + 1 + outputs)), 0.0) {}

void RegressionSums::add(const kernels::Context& context, const Tensor& x, const Tensor& y) {
  const std::int64_t n = inputs_ + 1;
  const Tensor gram = Tensor::empty(DType::kFloat32, {n, n});
  const Tensor cross = Tensor::empty(DType::kFloat32, {n, outputs_});
  for (std::int64_t begin = 0; begin < x.size(0); begin += kChunkRows) {
    const std::int64_t end = std::min(x.size(0), begin + kChunkRows);
    const Tensor part = with_ones(x.slice(0, begin, end));
    matrix_product(context, part, part, gram, {.transpose_a = true});
    matrix_product(context, part, y.slice(0, begin, end), cross, {.transpose_a = true});
    add_to(std::span(values_).first(static_cast<std::size_t>(n * n)), gram);
    add_to(std::span(values_).subspan(static_cast<std::size_t>(n * n)), cross);
  }
}

RegressionSums::Solution RegressionSums::solve(double ridge) const {
  const std::int64_t n = inputs_ + 1;
  std::vector<double> gram(values_.begin(), values_.begin() + n * n);
  std::vector<double> cross(values_.begin() + n * n, values_.end());
  double mean = 0;
  for (std::int64_t i = 0; i < inputs_; ++i) {
    mean += gram[static_cast<std::size_t>(i * n + i)] / static_cast<double>(inputs_);
  }
  for (std::int64_t i = 0; i < inputs_; ++i)
    gram[static_cast<std::size_t>(i * n + i)] += ridge * mean;
  solve_positive_definite(gram, cross, n, outputs_);
  Solution solution{Tensor::empty(DType::kFloat64, {outputs_, inputs_}),
                    Tensor::empty(DType::kFloat64, {outputs_})};
  for (std::int64_t o = 0; o < outputs_; ++o) {
    for (std::int64_t i = 0; i < inputs_; ++i) {
      solution.weight.data<double>()[o * inputs_ + i] =
          cross[static_cast<std::size_t>(i * outputs_ + o)];
    }
    solution.bias.data<double>()[o] = cross[static_cast<std::size_t>(inputs_ * outputs_ + o)];
  }
  return solution;
}

void solve_positive_definite(std::span<double> a, std::span<double> b, std::int64_t n,
                             std::int64_t m) {
  const auto at = [n](std::int64_t i, std::int64_t j) {
    return static_cast<std::size_t>(i * n + j);
  };
  for (std::int64_t i = 0; i < n; ++i) {  // A = L L^T, L in the lower triangle
    for (std::int64_t j = 0; j <= i; ++j) {
      double sum = a[at(i, j)];
      for (std::int64_t k = 0; k < j; ++k) sum -= a[at(i, k)] * a[at(j, k)];
      if (i != j) {
        a[at(i, j)] = sum / a[at(j, j)];
        continue;
      }
      if (!(sum > 0)) {
        fail_system(
            "a Gram matrix is not positive definite: the hidden states are degenerate, or too "
            "few tokens were collected");
      }
      a[at(i, i)] = std::sqrt(sum);
    }
  }
  const auto row = [m](std::int64_t i) { return static_cast<std::size_t>(i * m); };
  for (std::int64_t i = 0; i < n; ++i) {  // L Z = B
    for (std::int64_t k = 0; k < i; ++k) {
      const double factor = a[at(i, k)];
      for (std::int64_t c = 0; c < m; ++c)
        b[row(i) + static_cast<std::size_t>(c)] -= factor * b[row(k) + static_cast<std::size_t>(c)];
    }
    for (std::int64_t c = 0; c < m; ++c) b[row(i) + static_cast<std::size_t>(c)] /= a[at(i, i)];
  }
  for (std::int64_t i = n - 1; i >= 0; --i) {  // L^T X = Z
    for (std::int64_t k = i + 1; k < n; ++k) {
      const double factor = a[at(k, i)];
      for (std::int64_t c = 0; c < m; ++c)
        b[row(i) + static_cast<std::size_t>(c)] -= factor * b[row(k) + static_cast<std::size_t>(c)];
    }
    for (std::int64_t c = 0; c < m; ++c) b[row(i) + static_cast<std::size_t>(c)] /= a[at(i, i)];
  }
}

}  // namespace peryton
