// SPDX-License-Identifier: Apache-2.0
#include "tests/support/finite_difference.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "framework/core/rng.h"

namespace peryton::test {
namespace {

double project(const Tensor& value, const Tensor& direction) {
  const Tensor dense = value.as_contiguous();
  const auto v = dense.values<double>(), r = direction.values<double>();
  double sum = 0;
  for (std::size_t i = 0; i < v.size(); ++i) sum += v[i] * r[i];
  return sum;
}

double evaluate(const TapeFunction& function, const std::vector<Tensor>& inputs,
                const kernels::Context& context, const Tensor& direction) {
  Tape tape(context, Tape::Mode::kInference);
  std::vector<Variable> variables;
  for (const Tensor& input : inputs) variables.push_back(tape.constant(input));
  return project(function(tape, variables).value(), direction);
}

// f'(x) = (8 (f(x+h) - f(x-h)) - (f(x+2h) - f(x-2h))) / 12h + O(h^4)
double difference(const std::function<double(double)>& at, double step) {
  return (8 * (at(step) - at(-step)) - (at(2 * step) - at(-2 * step))) / (12 * step);
}

struct Comparison {
  std::int64_t element;
  double analytic, numeric;
};

void expect_close(const std::vector<Comparison>& comparisons, std::size_t input,
                  const GradientCheck& check) {
  double scale = 1;
  for (const auto& c : comparisons) scale = std::max(scale, std::abs(c.numeric));
  for (const auto& c : comparisons) {
    EXPECT_NEAR(c.analytic, c.numeric, check.tolerance * scale)
        << "input " << input << ", element " << c.element << ", seed " << check.seed;
  }
}

}  // namespace

Tensor random_normal(DType dtype, const Shape& shape, std::uint64_t seed, double scale) {
  const Rng rng(seed, RandomPurpose::kTest);
  Tensor tensor = Tensor::empty(DType::kFloat64, shape);
  const auto values = tensor.values<double>();
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = scale * rng.normal(i);
  return tensor.to(dtype);
}

void check_gradients(const TapeFunction& function, const std::vector<Tensor>& inputs,
                     const GradientCheck& check) {
  kernels::Context context;
  context.threads = check.threads;
  std::vector<Tensor> moved;
  for (const Tensor& input : inputs) moved.push_back(input.contiguous_copy());

  Tape tape(context);
  std::vector<Variable> variables;
  for (const Tensor& input : inputs) variables.push_back(tape.input(input));
  const Variable output = function(tape, variables);
  const Tensor direction =
      random_normal(DType::kFloat64, output.shape(), check.seed * 7919 + 13, 1.0);
  tape.backward_from(output, direction.contiguous_copy());

  for (std::size_t index = 0; index < inputs.size(); ++index) {
    ASSERT_TRUE(variables[index].gradient().defined()) << "no gradient reached input " << index;
    ASSERT_EQ(variables[index].gradient().shape(), inputs[index].shape());
    const Tensor gradient = variables[index].gradient().as_contiguous();
    const auto values = moved[index].values<double>();
    const std::int64_t count = moved[index].elements();
    const std::int64_t stride = std::max<std::int64_t>(1, count / check.samples_per_input);
    std::vector<Comparison> comparisons;
    for (std::int64_t element = 0; element < count; element += stride) {
      const double centre = values[element];
      const auto at = [&](double shift) {
        values[element] = centre + shift;
        return evaluate(function, moved, context, direction);
      };
      const double numeric = difference(at, check.step);
      values[element] = centre;
      comparisons.push_back({element, gradient.values<double>()[element], numeric});
    }
    expect_close(comparisons, index, check);
  }
}

double max_difference(const Tensor& a, const Tensor& b) {
  PERYTON_CHECK(a.shape() == b.shape(), "{} against {}", a.shape().text(), b.shape().text());
  const Tensor left = a.to(DType::kFloat64).as_contiguous();
  const Tensor right = b.to(DType::kFloat64).as_contiguous();
  const auto x = left.values<double>(), y = right.values<double>();
  double largest = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    // Not std::max: a NaN must not hide.
    if (!(std::abs(x[i] - y[i]) <= largest)) largest = std::abs(x[i] - y[i]);
    if (std::isnan(largest)) return largest;
  }
  return largest;
}

double relative_error(const Tensor& a, const Tensor& b) {
  PERYTON_CHECK(a.shape() == b.shape(), "{} against {}", a.shape().text(), b.shape().text());
  const Tensor left = a.to(DType::kFloat64).as_contiguous();
  const Tensor right = b.to(DType::kFloat64).as_contiguous();
  const auto x = left.values<double>(), y = right.values<double>();
  double error = 0, norm = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    error += (x[i] - y[i]) * (x[i] - y[i]);
    norm += y[i] * y[i];
  }
  if (error == 0) return 0;
  return std::sqrt(error / norm);
}

bool bitwise_equal(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype() || !(a.shape() == b.shape())) return false;
  const Tensor left = a.as_contiguous(), right = b.as_contiguous();
  return std::memcmp(left.raw(), right.raw(), static_cast<std::size_t>(left.bytes())) == 0;
}

}  // namespace peryton::test
