// Chooses how a product runs. With AVX2 oneDNN's sgemm reaches 35 to 65 % of the packed one for A B
// and A^T B of our sizes; with AVX-512 the two are within 8 % of each other, either way.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <type_traits>

#include "kernels/common/argument_error.h"
#include "kernels/common/dtype.h"
#include "kernels/gemm/few_rows.h"
#include "kernels/gemm/gemm.h"
#include "kernels/gemm/gemm_dots.h"
#include "kernels/gemm/packed_product.h"

namespace peryton::kernels {
namespace {

constexpr std::int64_t kFewRows = 8;  // below this, packing B costs more than it saves

struct FloatPanels {
  using Element = float;
  template <class A>
  static constexpr bool kReadsInPlace = std::is_same_v<A, float>;

  static cpu::PanelShape shape() { return cpu::panel_shape(); }
  static std::int64_t depth() { return cpu::kDepth; }
  static std::int64_t stored(std::int64_t k) { return k; }
  template <class T>
  static void pack(const cpu::PanelSource<T>& source, std::int64_t lines, std::int64_t k,
                   std::int64_t width, float* to) {
    cpu::pack_panels<T>(source, lines, k, width, to);
  }
  static void multiply(const cpu::PanelProduct& product) { cpu::multiply_panels(product); }
};

template <class T>
void add_bias(const GemmArgs<T>& args) {
  for (std::int64_t i = 0; args.bias != nullptr && i < args.m; ++i) {
    for (std::int64_t j = 0; j < args.n; ++j) args.c[i * args.ldc + j] += args.bias[j];
  }
}

// A few rows (generation): B is read once, where it lies.
void multiply_few_rows(const GemmArgs<float>& args, const Context& context) {
  parallel_blocks(context, args.n, 512, [&](std::int64_t begin, std::int64_t end) {
    GemmArgs<float> part = args;
    part.n = end - begin;
    part.b += args.transpose_b ? begin * args.ldb : begin;
    part.c += begin;
    if (args.bias != nullptr) part.bias += begin;
    cpu::gemm_tile(part);
    add_bias(part);
  });
}

template <class A, class B>
void multiply(const GemmArgs<float, A, B>& args, const Context& context) {
  const bool few = args.m < kFewRows && args.k > 0;
  if constexpr (std::is_same_v<A, float> && std::is_same_v<B, float>) {
    if (few) return multiply_few_rows(args, context);
  }
  if constexpr (std::is_same_v<B, BFloat16>) {
    if (few && args.transpose_b && !args.transpose_a) return cpu::few_rows(args, context);
  }
  if (args.bf16_dots && !few && args.k > 0) {
    require(has_bf16_dots(), "gemm", "this processor has no bf16 dot products");
    return cpu::gemm_dots(*cpu::available_pair_kernels().front(), args, context);
  }
  cpu::multiply_packed(FloatPanels(), args, context);
}

}  // namespace

template <class T, class A, class B>
std::int64_t gemm_workspace(std::int64_t m, std::int64_t n, std::int64_t k, int threads) {
  const bool floats = std::is_same_v<A, float> && std::is_same_v<B, float>;
  if (std::is_same_v<T, double> || (floats && m < kFewRows && k > 0)) return 0;
  return cpu::slab_floats(n, k) + std::max(1, threads) * cpu::block_floats(m, k);
}

namespace cpu {

template <class T, class A, class B>
void gemm(const GemmArgs<T, A, B>& args, const Context& context) {
  if (args.m == 0 || args.n == 0) return;
  if constexpr (std::is_same_v<T, double>) {
    parallel_blocks(context, args.m, 64, [&](std::int64_t begin, std::int64_t end) {
      GemmArgs<double> part = args;
      part.m = end - begin;
      part.a += args.transpose_a ? begin : begin * args.lda;
      part.c += begin * args.ldc;
      gemm_tile(part);
      add_bias(part);
    });
  } else {
    multiply(args, context);
  }
}

template void gemm(const GemmArgs<double>&, const Context&);
template void gemm(const GemmArgs<float>&, const Context&);
template void gemm(const GemmArgs<float, float, BFloat16>&, const Context&);
template void gemm(const GemmArgs<float, BFloat16, float>&, const Context&);
template void gemm(const GemmArgs<float, BFloat16, BFloat16>&, const Context&);

}  // namespace cpu

template std::int64_t gemm_workspace<double>(std::int64_t, std::int64_t, std::int64_t, int);
template std::int64_t gemm_workspace<float>(std::int64_t, std::int64_t, std::int64_t, int);
template std::int64_t gemm_workspace<float, float, BFloat16>(std::int64_t, std::int64_t,
                                                             std::int64_t, int);
template std::int64_t gemm_workspace<float, BFloat16, float>(std::int64_t, std::int64_t,
                                                             std::int64_t, int);
template std::int64_t gemm_workspace<float, BFloat16, BFloat16>(std::int64_t, std::int64_t,
                                                                std::int64_t, int);

}  // namespace peryton::kernels
