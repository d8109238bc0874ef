// What dispatch chooses, under whatever PERYTON_MAX_ISA the tests run.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/common/isa.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "hwy/detect_targets.h"
#include "kernels/ternary_gemm/dispatch.h"

namespace peryton::kernels {
namespace {

#ifdef __x86_64__
TEST(Isa, IsTheBestThatProcessorAndCapAllow) {
  const char* text = std::getenv("PERYTON_MAX_ISA");
  const std::string cap = text == nullptr || *text == '\0' ? "avx512" : text;
  const std::string isa = active_isa(), ternary = ternary::available_kernels().front()->name;
  std::printf("cap %s: instruction set %s, ternary products by %s\n", cap.c_str(), isa.c_str(),
              ternary.c_str());
  const bool avx2 = cap != "scalar" && __builtin_cpu_supports("avx2") != 0;
  const bool avx512 = cap == "avx512" && __builtin_cpu_supports("avx512bw") != 0 &&
                      __builtin_cpu_supports("avx512vl") != 0 &&
                      __builtin_cpu_supports("avx512dq") != 0;
  EXPECT_EQ(isa.starts_with("AVX3"), avx512);
  EXPECT_EQ(isa == "AVX2", avx2 && !avx512);
  const bool vnni = avx512 && __builtin_cpu_supports("avx512vnni") != 0;
  const char* const vnni_name =
      __builtin_cpu_is("amd") != 0 ? "avx512-vnni-permute" : "avx512-vnni";
  EXPECT_EQ(ternary, vnni ? vnni_name : avx2 ? "avx2" : "portable");
}
#endif

TEST(Isa, TheSystemMustKeepTheRegisters) {
  constexpr std::int64_t sse = HWY_SSE4 | HWY_SSSE3, avx2 = HWY_AVX2, avx512 = HWY_AVX3;
  constexpr std::int64_t all = sse | avx2 | avx512;
  EXPECT_EQ(targets_under(0b11100111, all), all);
  EXPECT_EQ(targets_under(0b01100111, all), sse | avx2);  // the upper 16 registers are lost
  EXPECT_EQ(targets_under(0b00000111, all), sse | avx2);
  EXPECT_EQ(targets_under(0b00000011, all), sse);
  EXPECT_EQ(targets_under(0b11100011, all), sse);
  EXPECT_EQ(targets_under(0, all), sse);
  EXPECT_EQ(targets_under(0b11100111, sse), sse);
}

}  // namespace
}  // namespace peryton::kernels
