// Ridge regression from Gram matrices, in double.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "framework/core/tensor.h"
#include "kernels/common/context.h"

namespace peryton {

// Sums over rows of x^T x and x^T y with x extended by a constant 1: all that the regression needs.
// Products of a chunk of rows are formed in float, chunks are added in double.
class RegressionSums {
 public:
  RegressionSums(std::int64_t inputs, std::int64_t outputs);

  // x [rows, inputs], y [rows, outputs], float32.
  void add(const kernels::Context& context, const Tensor& x, const Tensor& y);
  // The sums as one range, to be all-reduced over ranks.
  std::span<double> values() { return values_; }

  // argmin_B sum_rows |B x + b - y|^2 + lambda |B|^2 with lambda = ridge * mean diagonal of the
  // Gram matrix; the constant is not penalised. weight [outputs, inputs], bias [outputs], float64.
  struct Solution {
    Tensor weight, bias;
  };
  Solution solve(double ridge) const;

 private:
  std::int64_t inputs_, outputs_;
  std::vector<double> values_;  // (inputs + 1)^2 Gram, then (inputs + 1) x outputs
};

// Solves A X = B in place for symmetric positive definite A [n, n] by Cholesky; B [n, m] becomes X.
// Both row-major. A matrix that is not positive definite is a system error.
void solve_positive_definite(std::span<double> a, std::span<double> b, std::int64_t n,
                             std::int64_t m);

}  // namespace peryton
