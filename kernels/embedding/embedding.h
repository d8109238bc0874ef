// Table look-up: out[t] = table[id_t], and its gradient d_table[id_t] += d_out[t].
// Ids must lie in [0, vocabulary); the caller has checked them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "kernels/common/context.h"

namespace peryton::kernels {

template <class T>
struct EmbeddingArgs {
  const std::int32_t* ids;
  std::int64_t tokens, width;
  const T* table;  // [vocabulary, width], contiguous
  T* out;          // [tokens, width], contiguous
};

template <class T, class D>
struct EmbeddingBackwardArgs {
  const std::int32_t* ids;
  std::int64_t tokens, width;
  const D* d_out;  // [tokens, width], contiguous
  T* d_table;      // [vocabulary, width], added to
};

namespace cpu {
// Float, BFloat16 and double (backward: table float or double, d_out any of the three).
template <class T>
void embedding(const EmbeddingArgs<T>& args, const Context& context);
// Columns are cut into fixed blocks; within one, tokens are added in order.
template <class T, class D>
void embedding_backward(const EmbeddingBackwardArgs<T, D>& args, const Context& context);
}  // namespace cpu

}  // namespace peryton::kernels
