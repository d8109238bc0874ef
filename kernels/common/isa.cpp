// SPDX-License-Identifier: Apache-2.0
#include "kernels/common/isa.h"

#include <cstdlib>
#include <dnnl.hpp>

#include "hwy/highway.h"
#include "kernels/common/argument_error.h"

namespace peryton::kernels {

namespace {

std::string remark_unless_supported(std::int64_t target, const std::string& cap) {
  if ((supported_targets() & target) != 0) return "";
  return "PERYTON_MAX_ISA is " + cap + ", which this processor does not have; it uses " +
         active_isa();
}

}  // namespace

std::string cap_isa_from_environment() {
  const char* text = std::getenv("PERYTON_MAX_ISA");
  if (text == nullptr || *text == '\0') return "";
  const std::string cap(text);
#if HWY_ARCH_X86
  // Better targets have lower bits, also those of a later Highway.
  constexpr std::int64_t kAvx512 = HWY_AVX2 - 1;
  if (cap == "avx512") return remark_unless_supported(HWY_AVX3, cap);
  if (cap == "avx2") {
    hwy::DisableTargets(kAvx512);
    dnnl::set_max_cpu_isa(dnnl::cpu_isa::avx2);
    return remark_unless_supported(HWY_AVX2, cap);
  }
  if (cap == "scalar") {
    hwy::DisableTargets(kAvx512 | HWY_AVX2 | HWY_SSE4 | HWY_SSSE3);
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
  const std::int64_t targets = hwy::SupportedTargets();
  hwy::GetChosenTarget().Update(targets);
  return targets;
}

std::string active_isa() {
  const std::int64_t targets = supported_targets();
  return hwy::TargetName(targets & -targets);
}

}  // namespace peryton::kernels
