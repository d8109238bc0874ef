// Checks gradients of tape functions against central differences in double.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "framework/autograd/tape.h"

namespace peryton::test {

// N(0, scale^2), the same on every machine for the same seed.
Tensor random_normal(DType dtype, const Shape& shape, std::uint64_t seed, double scale = 1.0);

// A differentiable function of float64 inputs with an output of any shape.
using TapeFunction = std::function<Variable(Tape&, const std::vector<Variable>&)>;

struct GradientCheck {
  double step = 1e-4;
  // Bound on |analytic - numeric| / max(1, largest |numeric| of that input). The central difference
  // of fourth order has an error of about step^4 f'''''/30 + 1e-16 |f| / step, so 1e-8 holds for
  // functions of order one.
  double tolerance = 1e-8;
  std::uint64_t seed = 1;
  int threads = 1;
  std::int64_t samples_per_input = 64;  // elements checked of each input, spread evenly
};

// Projects the output of `function` on a fixed random direction and compares the gradient of every
// input with central differences. Failures are GoogleTest failures that name input, element and
// seed.
void check_gradients(const TapeFunction& function, const std::vector<Tensor>& inputs,
                     const GradientCheck& check = {});

// Largest |a - b| over all elements of two floating tensors of one shape.
double max_difference(const Tensor& a, const Tensor& b);
// ||a - b|| / ||b||; 0 when both are zero.
double relative_error(const Tensor& a, const Tensor& b);
// The same bytes.
bool bitwise_equal(const Tensor& a, const Tensor& b);

}  // namespace peryton::test
