// Takes the place of mpi_world.cpp in a build without MPI.
// SPDX-License-Identifier: Apache-2.0
#include "framework/comm/world.h"

namespace peryton {

int run_in_mpi_world(const std::function<int(Communicator&)>&) {
  fail_input("this build of peryton has no MPI, so it runs one rank only", "",
             "install an MPI library (Debian: libopenmpi-dev) and build again");
}

}  // namespace peryton
