// Softmax cross-entropy over mixed logits, with gradients, for a block of token rows.
//
//   z_v   = sum_k c_k logits_k[v]                 v in [0, vocabulary)
//   nll   = log sum_v exp(z_v) - z_target
//   dz_v  = weight (softmax(z)_v - [v = target])  (gradient of weight * nll)
//   dc_k  = sum_v dz_v logits_k[v]
// Rows whose target is negative have no loss and a zero gradient. Rows are independent tasks.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "kernels/common/context.h"

namespace peryton::kernels {

template <class T>
struct CrossEntropyArgs {
  const T* const* logits;       // [count] matrices [rows, >= vocabulary]
  const std::int64_t* strides;  // [count] row strides
  const T* coefficients;        // [count]; a logits pointer may be null where the coefficient is 0
  std::int64_t count;
  std::int64_t rows, vocabulary;
  const std::int32_t* targets;  // [rows]
  const float* weights;         // [rows], or null for 1
  // [rows, vocabulary] contiguous: scratch, holds dz afterwards. In float it may be the only matrix
  // of logits itself.
  T* mixed;
  double* nll;             // [rows], unweighted; 0 without a target
  double* d_coefficients;  // [rows, count], or null; a null logits pointer gives 0
  bool gradient;           // false: mixed holds z afterwards, not dz
};

namespace cpu {
namespace reference {
template <class T>
void cross_entropy(const CrossEntropyArgs<T>& args, const Context& context);
}  // namespace reference
// Float (SIMD) and double (the reference).
template <class T>
void cross_entropy(const CrossEntropyArgs<T>& args, const Context& context);
}  // namespace cpu

}  // namespace peryton::kernels
