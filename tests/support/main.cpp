// The main of every test program: applies PERYTON_MAX_ISA as the real program does.
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstdio>
#include <string>

#include "kernels/common/isa.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const std::string remark = peryton::kernels::cap_isa_from_environment();
  if (!remark.empty()) std::fprintf(stderr, "%s\n", remark.c_str());
  return RUN_ALL_TESTS();
}
