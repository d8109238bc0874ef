// The plain definition; double runs on it.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "kernels/cross_entropy/cross_entropy.h"

namespace peryton::kernels::cpu {
namespace reference {
namespace {

template <class T>
void mix_row(const CrossEntropyArgs<T>& args, std::int64_t row, T* z) {
  std::fill_n(z, args.vocabulary, T(0));
  for (std::int64_t k = 0; k < args.count; ++k) {
    if (args.coefficients[k] == 0) continue;
    const T* logits = args.logits[k] + row * args.strides[k];
    for (std::int64_t v = 0; v < args.vocabulary; ++v) z[v] += args.coefficients[k] * logits[v];
  }
}

template <class T>
void one_row(const CrossEntropyArgs<T>& args, std::int64_t row) {
  T* z = args.mixed + row * args.vocabulary;
  mix_row(args, row, z);
  const std::int32_t target = args.targets[row];
  const double weight = args.weights == nullptr ? 1.0 : static_cast<double>(args.weights[row]);
  const double top = static_cast<double>(*std::max_element(z, z + args.vocabulary));
  double sum = 0;
  for (std::int64_t v = 0; v < args.vocabulary; ++v)
    sum += std::exp(static_cast<double>(z[v]) - top);
  args.nll[row] = target < 0 ? 0 : top + std::log(sum) - static_cast<double>(z[target]);
  if (args.gradient) {
    for (std::int64_t v = 0; v < args.vocabulary; ++v) {
      const double p = std::exp(static_cast<double>(z[v]) - top) / sum;
      z[v] = target < 0 ? T(0) : static_cast<T>(weight * (p - (v == target ? 1 : 0)));
    }
  }
  if (args.d_coefficients == nullptr) return;
  for (std::int64_t k = 0; k < args.count; ++k) {
    double dot = 0;
    if (args.logits[k] != nullptr) {
      const T* logits = args.logits[k] + row * args.strides[k];
      for (std::int64_t v = 0; v < args.vocabulary; ++v) {
        dot += static_cast<double>(z[v]) * static_cast<double>(logits[v]);
      }
    }
    args.d_coefficients[row * args.count + k] = dot;
  }
}

}  // namespace

template <class T>
void cross_entropy(const CrossEntropyArgs<T>& args, const Context& context) {
  parallel_blocks(context, args.rows, 8, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) one_row(args, row);
  });
}

template void cross_entropy<float>(const CrossEntropyArgs<float>&, const Context&);
template void cross_entropy<double>(const CrossEntropyArgs<double>&, const Context&);

}  // namespace reference

template <>
void cross_entropy<double>(const CrossEntropyArgs<double>& args, const Context& context) {
  reference::cross_entropy(args, context);
}

}  // namespace peryton::kernels::cpu
