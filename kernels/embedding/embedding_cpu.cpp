// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "kernels/common/dtype.h"
#include "kernels/embedding/embedding.h"

namespace peryton::kernels::cpu {

template <class T>
void embedding(const EmbeddingArgs<T>& args, const Context& context) {
  parallel_blocks(context, args.tokens, 256, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t) {
      std::copy_n(args.table + args.ids[t] * args.width, args.width, args.out + t * args.width);
    }
  });
}

template <class T, class D>
void embedding_backward(const EmbeddingBackwardArgs<T, D>& args, const Context& context) {
  parallel_blocks(context, args.width, 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = 0; t < args.tokens; ++t) {
      T* target = args.d_table + args.ids[t] * args.width;
      const D* source = args.d_out + t * args.width;
      for (std::int64_t i = begin; i < end; ++i) target[i] += static_cast<T>(source[i]);
    }
  });
}

template void embedding<float>(const EmbeddingArgs<float>&, const Context&);
template void embedding<BFloat16>(const EmbeddingArgs<BFloat16>&, const Context&);
template void embedding<double>(const EmbeddingArgs<double>&, const Context&);
template void embedding_backward(const EmbeddingBackwardArgs<float, float>&, const Context&);
template void embedding_backward(const EmbeddingBackwardArgs<float, BFloat16>&, const Context&);
template void embedding_backward(const EmbeddingBackwardArgs<double, double>&, const Context&);

}  // namespace peryton::kernels::cpu
