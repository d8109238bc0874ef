// SPDX-License-Identifier: Apache-2.0
#include "kernels/common/isa.h"

#include <cstdlib>
#include <dnnl.hpp>
#include <string_view>

#include "hwy/highway.h"
#include "kernels/common/argument_error.h"

namespace peryton::kernels {

void cap_isa_from_environment() {
  const char* text = std::getenv("PERYTON_MAX_ISA");
  if (text == nullptr || *text == '\0') return;
  const std::string_view cap(text);
#if HWY_ARCH_X86
  constexpr std::int64_t kAvx512 = HWY_AVX3 | HWY_AVX3_DL;
  if (cap == "avx512") return;
  if (cap == "avx2") {
    hwy::DisableTargets(kAvx512);
    dnnl::set_max_cpu_isa(dnnl::cpu_isa::avx2);
    return;
  }
  if (cap == "scalar") {
    hwy::DisableTargets(kAvx512 | HWY_AVX2 | HWY_SSE4 | HWY_SSSE3);
    dnnl::set_max_cpu_isa(dnnl::cpu_isa::sse41);
    return;
  }
#else
  if (cap == "avx512" || cap == "avx2" || cap == "scalar") return;
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
