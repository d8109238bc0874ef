// SPDX-License-Identifier: Apache-2.0
#include "kernels/gemm/gemm_dots.h"

#include "hwy/highway.h"
#include "kernels/common/argument_error.h"
#include "kernels/common/isa.h"
#include "kernels/gemm/pack_pairs.h"
#include "kernels/gemm/packed_product.h"

namespace peryton::kernels {
namespace cpu {
namespace {

struct PairPanels {
  using Element = std::uint16_t;
  template <class A>
  static constexpr bool kReadsInPlace = false;

  const PairKernels& kernels;

  PanelShape shape() const { return kernels.shape; }
  static std::int64_t depth() { return 2 * kDepth; }  // as many bytes
  static std::int64_t stored(std::int64_t k) { return round_up(k, 2); }
  template <class T>
  static void pack(const PanelSource<T>& source, std::int64_t lines, std::int64_t k,
                   std::int64_t width, Element* to) {
    pack_pairs(source, lines, k, width, to);
  }
  void multiply(const PanelProductOf<Element>& product) const { kernels.multiply(product); }
};

}  // namespace

std::array<const PairKernels*, 2> available_pair_kernels() {
  std::array<const PairKernels*, 2> found{};
  std::size_t count = 0;
  if (has_bf16_dots()) found[count++] = avx512_pair_kernels();
  found[count] = reference_pair_kernels();
  return found;
}

template <class A, class B>
void gemm_dots(const PairKernels& kernels, const GemmArgs<float, A, B>& args,
               const Context& context) {
  multiply_packed(PairPanels{kernels}, args, context);
}

template void gemm_dots(const PairKernels&, const GemmArgs<float, float, float>&, const Context&);
template void gemm_dots(const PairKernels&, const GemmArgs<float, BFloat16, float>&,
                        const Context&);
template void gemm_dots(const PairKernels&, const GemmArgs<float, float, BFloat16>&,
                        const Context&);
template void gemm_dots(const PairKernels&, const GemmArgs<float, BFloat16, BFloat16>&,
                        const Context&);

}  // namespace cpu

bool has_bf16_dots() {
#if defined(__x86_64__)
  // Asked once: what a processor has takes 14 microseconds to find out on a virtual machine, and
  // every product asks.
  static const bool has = cpu::avx512_pair_kernels() != nullptr &&
                          (supported_targets() & HWY_AVX3) != 0 &&
                          __builtin_cpu_supports("avx512bf16");
  return has;
#else
  return false;
#endif
}

}  // namespace peryton::kernels
