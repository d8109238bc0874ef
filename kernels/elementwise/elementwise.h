// Element-wise kernels that the tape and the optimiser need.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "kernels/common/context.h"
#include "kernels/common/dtype.h"

namespace peryton::kernels {

// target[r, c] += source[r, c]. Strides are in elements.
template <class T, class S>
struct AddIntoArgs {
  T* target;
  const S* source;
  std::int64_t rows, width;
  std::int64_t target_stride, source_stride;
};

// target[c] += sum_r source[r, c].
template <class T>
struct ColumnSumArgs {
  const T* source;
  T* target;
  std::int64_t rows, width;
  std::int64_t source_stride;
};

// out[r, c] = sum_i coefficient_i x_i[r, c], where x_i counts as zero at and beyond its own width.
template <class T>
struct WeightedSumTerm {
  const T* x;
  std::int64_t width, stride;
  compute_t<T> coefficient;
};
template <class T>
struct WeightedSumArgs {
  const WeightedSumTerm<T>* terms;
  std::int64_t count;
  T* out;
  std::int64_t rows, width, stride;
};

// What a weighted sum's gradient gives its terms and coefficients, d_out read once:
//   d_x_i[r, c] = coefficient_i d_out[r, c], zero beyond the sum's width;
//   slopes[i] = sum over r, c of d_out[r, c] x_i[r, c], summed as dot() does.
template <class T>
struct WeightedSumGradientTerm {
  const T* x;  // null: no slope
  T* d_x;      // or null
  std::int64_t width, stride, d_stride;
  compute_t<T> coefficient;
};
template <class T>
struct WeightedSumBackwardArgs {
  const WeightedSumGradientTerm<T>* terms;
  std::int64_t count;
  const T* d_out;
  std::int64_t rows, width, stride;
  double* slopes;     // [count], or null where no term has an x
  double* workspace;  // weighted_sum_workspace(count) elements; unused without slopes
};
std::int64_t weighted_sum_workspace(std::int64_t count);

// sum over r, c of a[r, c] b[r, c]; rows are cut into fixed blocks whose sums are added in order.
template <class T>
struct DotArgs {
  const T* a;
  const T* b;
  std::int64_t rows, width, a_stride, b_stride;
};

namespace cpu {
// Float, BFloat16 and double. A term with coefficient 0 is not read.
template <class T>
void weighted_sum(const WeightedSumArgs<T>& args, const Context& context);
template <class T>
void weighted_sum_backward(const WeightedSumBackwardArgs<T>& args, const Context& context);
template <class T>
double dot(const DotArgs<T>& args, const Context& context);
// Float, BFloat16 and double; columns are cut into fixed blocks, rows are added in order.
template <class T>
void add_column_sums(const ColumnSumArgs<T>& args, const Context& context);
// Instantiated for every pair of float, BFloat16 and double.
template <class T, class S>
void add_into(const AddIntoArgs<T, S>& args, const Context& context);
}  // namespace cpu

}  // namespace peryton::kernels
