// Element-wise kernels that the tape and the optimiser need.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "kernels/common/context.h"

namespace peryton::kernels {

// target[r, c] += source[r, c]. Strides are in elements.
template <class T, class S>
struct AddIntoArgs {
  T* target;
  const S* source;
  std::int64_t rows, width;
  std::int64_t target_stride, source_stride;
};

namespace cpu {
// Instantiated for every pair of float, BFloat16 and double.
template <class T, class S>
void add_into(const AddIntoArgs<T, S>& args, const Context& context);
}  // namespace cpu

}  // namespace peryton::kernels
