// Runs the collectives' checks on the ranks of mpirun. With the argument "throw" the last rank
// fails while the others wait: every rank must end, with the error's exit code. Started by
// tests.cmake.
// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <string>

#include "framework/comm/world.h"
#include "tests/support/collectives_cases.h"

int main(int argc, char** argv) {
  const bool fails = argc > 1 && std::string(argv[1]) == "throw";
  return peryton::run_in_mpi_world([&](peryton::Communicator& ranks) {
    if (fails && ranks.rank() == ranks.size() - 1) peryton::fail_input("this rank fails");
    if (!fails) peryton::testing::check_all_collectives(ranks);
    ranks.barrier();
    if (ranks.rank() == 0) std::printf("%d ranks agree\n", ranks.size());
    return 0;
  });
}
