// SPDX-License-Identifier: Apache-2.0
#include "kernels/common/dtype.h"
#include "kernels/elementwise/elementwise.h"

namespace peryton::kernels::cpu {

template <class T, class S>
void add_into(const AddIntoArgs<T, S>& args, const Context& context) {
  const std::int64_t grain = args.width > 0 ? divide_up(32768, args.width) : 1;
  parallel_blocks(context, args.rows, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      T* target = args.target + row * args.target_stride;
      const S* source = args.source + row * args.source_stride;
      for (std::int64_t i = 0; i < args.width; ++i) {
        target[i] = static_cast<T>(static_cast<compute_t<T>>(target[i]) +
                                   static_cast<compute_t<T>>(static_cast<compute_t<S>>(source[i])));
      }
    }
  });
}

#define PERYTON_INSTANTIATE(T)                                                 \
  template void add_into<T, float>(const AddIntoArgs<T, float>&, const Context&);       \
  template void add_into<T, BFloat16>(const AddIntoArgs<T, BFloat16>&, const Context&); \
  template void add_into<T, double>(const AddIntoArgs<T, double>&, const Context&);
PERYTON_INSTANTIATE(float)
PERYTON_INSTANTIATE(BFloat16)
PERYTON_INSTANTIATE(double)
#undef PERYTON_INSTANTIATE

}  // namespace peryton::kernels::cpu
