// Sums, views and conversions as ops.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "framework/autograd/tape.h"

namespace peryton {

// a + b, same shape and dtype.
Variable add(Tape& tape, const Variable& a, const Variable& b);

// x[.., begin:end] as a view; the gradient is added into those columns of x's gradient.
Variable slice_last(Tape& tape, const Variable& x, std::int64_t begin, std::int64_t end);

// Consecutive columns of x as views, so many of each width. Their gradients are copied side by side
// into one tensor, which slices taken one by one would add into a cleared one.
std::vector<Variable> split_columns(Tape& tape, const Variable& x,
                                    const std::vector<std::int64_t>& widths);

// The same elements under another shape; x must be contiguous.
Variable reshape(Tape& tape, const Variable& x, const Shape& shape);

// The last dimension split into several, as a view (strided x allowed): [.., a*b] -> [.., a, b].
Variable split_last(Tape& tape, const Variable& x, std::initializer_list<std::int64_t> sizes);

// x in another dtype; the gradient comes back in x's.
Variable cast(Tape& tape, const Variable& x, DType dtype);

// sum_i c[i] fit(x_i): each [.., w_i] is cut or padded with zeros to `width`. `coefficients` is
// [n], in the compute dtype. A term whose coefficient is 0 is not read, and takes no gradient; the
// coefficient itself does. Saves every x_i if the coefficients need a gradient, nothing otherwise.
Variable weighted_sum(Tape& tape, const std::vector<Variable>& terms, const Variable& coefficients,
                      std::int64_t width);

// sum of all elements of weights[i] * x[i], a scalar [1]; `weights` is a plain tensor. For tests
// and penalties.
Variable projection(Tape& tape, const Variable& x, const Tensor& weights);

}  // namespace peryton
