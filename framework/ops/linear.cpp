// SPDX-License-Identifier: Apache-2.0
#include "framework/ops/linear.h"

#include "framework/ops/matrix.h"

namespace peryton {
namespace {

Shape with_last(const Shape& shape, std::int64_t last) {
  Shape result = shape;
  result[-1] = last;
  return result;
}

}  // namespace

Variable linear(Tape& tape, const Variable& x, const Variable& weight, const Variable& bias) {
  PERYTON_CHECK(weight.value().rank() == 2 && x.size(-1) == weight.size(1),
                "linear: x {}, weight {}", x.shape().text(), weight.shape().text());
  const kernels::Context context = tape.context();
  const Tensor y = Tensor::empty(x.dtype(), with_last(x.shape(), weight.size(0)));
  matrix_product(context, x.value().rows(), weight.value(), y.rows(),
                 {.transpose_b = true, .bias = bias.defined() ? bias.value() : Tensor()});

  const Tensor saved_x = weight.needs_gradient() ? x.value() : Tensor();
  const Tensor saved_weight = x.needs_gradient() ? weight.value() : Tensor();
  const GradientSlot to_x = x, to_weight = weight, to_bias = bias;
  return tape.record(y, {x, weight, bias}, [=, &tape](const Tensor& d_y) {
    const Tensor d_rows = d_y.as_contiguous().rows();
    if (saved_weight.defined()) {
      const Tensor d_x = Tensor::empty(to_x.dtype(), to_x.shape());
      matrix_product(context, d_rows, saved_weight, d_x.rows());
      tape.add_gradient(to_x, d_x);
    }
    if (saved_x.defined()) {
      matrix_product(context, d_rows, saved_x.rows(), tape.gradient_to_add_into(to_weight),
                     {.transpose_a = true, .accumulate = true});
    }
    if (to_bias.needs_gradient()) {
      add_column_sums(context, d_rows, tape.gradient_to_add_into(to_bias));
    }
  });
}

}  // namespace peryton
