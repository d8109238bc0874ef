// The main of every test program: applies PERYTON_MAX_ISA as the real program does.
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "kernels/common/isa.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  peryton::kernels::cap_isa_from_environment();
  return RUN_ALL_TESTS();
}
