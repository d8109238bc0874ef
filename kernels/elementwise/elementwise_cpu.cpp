// SPDX-License-Identifier: Apache-2.0
#include "kernels/common/dtype.h"
#include "kernels/elementwise/elementwise.h"

namespace peryton::kernels {
namespace {

// A fixed number of blocks of rows, so that a sum has the same shape for every team.
constexpr std::int64_t kDotBlocks = 64;

template <class T>
double dot_of_row(const T* a, const T* b, std::int64_t width) {
  compute_t<T> lanes[16] = {};
  std::int64_t j = 0;
  for (; j + 16 <= width; j += 16) {
    for (int l = 0; l < 16; ++l) {
      lanes[l] += static_cast<compute_t<T>>(a[j + l]) * static_cast<compute_t<T>>(b[j + l]);
    }
  }
  for (; j < width; ++j) {
    lanes[j % 16] += static_cast<compute_t<T>>(a[j]) * static_cast<compute_t<T>>(b[j]);
  }
  double sum = 0;
  for (const compute_t<T> lane : lanes) sum += static_cast<double>(lane);
  return sum;
}

template <class T>
void scale_row(const WeightedSumGradientTerm<T>& term, const T* d, std::int64_t width, T* d_x) {
  using C = compute_t<T>;
  const C c = term.coefficient;
  const std::int64_t common = term.width < width ? term.width : width;
  for (std::int64_t j = 0; j < common; ++j) d_x[j] = static_cast<T>(c * static_cast<C>(d[j]));
  for (std::int64_t j = common; j < term.width; ++j) d_x[j] = T(C(0));
}

}  // namespace

std::int64_t weighted_sum_workspace(std::int64_t count) { return kDotBlocks * count; }

namespace cpu {

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

template <class T>
void add_column_sums(const ColumnSumArgs<T>& args, const Context& context) {
  constexpr std::int64_t kColumns = 64;
  parallel_blocks(context, args.width, kColumns, [&](std::int64_t begin, std::int64_t end) {
    compute_t<T> sums[kColumns] = {};
    for (std::int64_t row = 0; row < args.rows; ++row) {
      const T* source = args.source + row * args.source_stride + begin;
      for (std::int64_t i = 0; i < end - begin; ++i)
        sums[i] += static_cast<compute_t<T>>(source[i]);
    }
    for (std::int64_t i = 0; i < end - begin; ++i) {
      T& target = args.target[begin + i];
      target = static_cast<T>(static_cast<compute_t<T>>(target) + sums[i]);
    }
  });
}

template <class T>
void weighted_sum(const WeightedSumArgs<T>& args, const Context& context) {
  using C = compute_t<T>;
  const std::int64_t grain = divide_up(16384, args.width);
  parallel_blocks(context, args.rows, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      T* out = args.out + row * args.stride;
      bool first = true;
      for (std::int64_t i = 0; i < args.count; ++i) {
        const WeightedSumTerm<T>& term = args.terms[i];
        if (term.coefficient == 0) continue;
        const T* x = term.x + row * term.stride;
        const std::int64_t width = term.width < args.width ? term.width : args.width;
        const C c = term.coefficient;
        if (first) {
          // Written, not added to zero, so that 1 * x is x to the bit (also for -0).
          for (std::int64_t j = 0; j < width; ++j)
            out[j] = static_cast<T>(c * static_cast<C>(x[j]));
          for (std::int64_t j = width; j < args.width; ++j) out[j] = T(C(0));
          first = false;
        } else {
          for (std::int64_t j = 0; j < width; ++j) {
            out[j] = static_cast<T>(static_cast<C>(out[j]) + c * static_cast<C>(x[j]));
          }
        }
      }
      if (first) {
        for (std::int64_t j = 0; j < args.width; ++j) out[j] = T(C(0));
      }
    }
  });
}

template <class T>
void weighted_sum_backward(const WeightedSumBackwardArgs<T>& args, const Context& context) {
  parallel_for(context, kDotBlocks, [&](std::int64_t block) {
    const std::int64_t rows = divide_up(args.rows, kDotBlocks);
    const std::int64_t end = (block + 1) * rows < args.rows ? (block + 1) * rows : args.rows;
    double* sums = args.slopes != nullptr ? args.workspace + block * args.count : nullptr;
    for (std::int64_t i = 0; sums != nullptr && i < args.count; ++i) sums[i] = 0;
    for (std::int64_t row = block * rows; row < end; ++row) {
      const T* d = args.d_out + row * args.stride;
      for (std::int64_t i = 0; i < args.count; ++i) {
        const WeightedSumGradientTerm<T>& term = args.terms[i];
        if (term.d_x != nullptr) scale_row(term, d, args.width, term.d_x + row * term.d_stride);
        if (term.x == nullptr || sums == nullptr) continue;
        const std::int64_t width = term.width < args.width ? term.width : args.width;
        sums[i] += dot_of_row(d, term.x + row * term.stride, width);
      }
    }
  });
  for (std::int64_t i = 0; args.slopes != nullptr && i < args.count; ++i) {
    args.slopes[i] = 0;
    for (std::int64_t block = 0; block < kDotBlocks; ++block) {
      args.slopes[i] += args.workspace[block * args.count + i];
    }
  }
}

template <class T>
double dot(const DotArgs<T>& args, const Context& context) {
  double partial[kDotBlocks] = {};
  const std::int64_t rows = divide_up(args.rows, kDotBlocks);
  parallel_for(context, kDotBlocks, [&](std::int64_t block) {
    const std::int64_t end = (block + 1) * rows < args.rows ? (block + 1) * rows : args.rows;
    for (std::int64_t row = block * rows; row < end; ++row) {
      partial[block] +=
          dot_of_row(args.a + row * args.a_stride, args.b + row * args.b_stride, args.width);
    }
  });
  double total = 0;
  for (const double sum : partial) total += sum;
  return total;
}

#define PERYTON_INSTANTIATE(T)                                                               \
  template void add_column_sums<T>(const ColumnSumArgs<T>&, const Context&);                 \
  template void weighted_sum<T>(const WeightedSumArgs<T>&, const Context&);                  \
  template void weighted_sum_backward<T>(const WeightedSumBackwardArgs<T>&, const Context&); \
  template double dot<T>(const DotArgs<T>&, const Context&);                                 \
  template void add_into<T, float>(const AddIntoArgs<T, float>&, const Context&);            \
  template void add_into<T, BFloat16>(const AddIntoArgs<T, BFloat16>&, const Context&);      \
  template void add_into<T, double>(const AddIntoArgs<T, double>&, const Context&);
PERYTON_INSTANTIATE(float)
PERYTON_INSTANTIATE(BFloat16)
PERYTON_INSTANTIATE(double)
#undef PERYTON_INSTANTIATE

}  // namespace cpu
}  // namespace peryton::kernels
