// SPDX-License-Identifier: Apache-2.0
#include "kernels/common/isa.h"

#include <cstdlib>
#include <dnnl.hpp>

#include "hwy/highway.h"
#include "kernels/common/argument_error.h"

#if HWY_ARCH_X86
#include <cpuid.h>
#endif

namespace peryton::kernels {

namespace {

// Better targets have lower bits, also those of a later Highway.
constexpr std::int64_t kAvx512 = HWY_AVX2 - 1;

// 0: the system does not say (OSXSAVE is off), so it keeps nothing but SSE. Highway 1.0 takes that
// for yes.
std::uint64_t read_xcr0() {
#if HWY_ARCH_X86
  std::uint32_t a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & bit_OSXSAVE) == 0) return 0;
  asm("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
  return std::uint64_t{d} << 32 | a;
#else
  return ~std::uint64_t{0};
#endif
}

// Of `targets`, those that the system keeps the registers of.
std::int64_t usable(std::int64_t targets) {
  static const std::uint64_t xcr0 = read_xcr0();
  return targets_under(xcr0, targets);
}

// Replaces what was disabled before. Highway's dispatch chooses by it.
void disable_targets(std::int64_t targets) {
  constexpr std::int64_t kAvx = kAvx512 | HWY_AVX2;
  hwy::DisableTargets(targets | (kAvx & ~usable(kAvx)));
}

std::string remark_unless_supported(std::int64_t target, const std::string& cap) {
  if ((supported_targets() & target) != 0) return "";
  return "PERYTON_MAX_ISA is " + cap + ", which this processor does not have; it uses " +
         active_isa();
}

}  // namespace

std::string cap_isa_from_environment() {
  disable_targets(0);
  const char* text = std::getenv("PERYTON_MAX_ISA");
  if (text == nullptr || *text == '\0') return "";
  const std::string cap(text);
#if HWY_ARCH_X86
  if (cap == "avx512") return remark_unless_supported(HWY_AVX3, cap);
  if (cap == "avx2") {
    disable_targets(kAvx512);
    dnnl::set_max_cpu_isa(dnnl::cpu_isa::avx2);
    return remark_unless_supported(HWY_AVX2, cap);
  }
  if (cap == "scalar") {
    disable_targets(kAvx512 | HWY_AVX2 | HWY_SSE4 | HWY_SSSE3);
    dnnl::set_max_cpu_isa(dnnl::cpu_isa::sse41);
    return "";
  }
#else
  if (cap == "scalar") return "";
  if (cap == "avx512" || cap == "avx2") return remark_unless_supported(0, cap);
#endif
  throw ArgumentError("PERYTON_MAX_ISA", "is '", cap, "'; use scalar, avx2 or avx512");
}

std::int64_t supported_targets() {
  // Highway's function chooses a target as it goes, before it looks at what is disabled: choose
  // again.
  const std::int64_t targets = usable(hwy::SupportedTargets());
  hwy::GetChosenTarget().Update(targets);
  return targets;
}

std::int64_t targets_under(std::uint64_t xcr0, std::int64_t targets) {
  constexpr std::uint64_t kAvxState = 0b110, kAvx512State = 0b11100110;
  if ((xcr0 & kAvx512State) != kAvx512State) targets &= ~kAvx512;
  if ((xcr0 & kAvxState) != kAvxState) targets &= ~HWY_AVX2;
  return targets;
}

std::string active_isa() {
  const std::int64_t targets = supported_targets();
  return hwy::TargetName(targets & -targets);
}

}  // namespace peryton::kernels
