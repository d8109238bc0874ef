// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <cstdlib>

#include "framework/comm/world.h"

namespace peryton {

bool started_by_mpi_launcher() {
  // Open MPI's mpirun; MPICH and srun --mpi=pmi2; srun --mpi=pmix.
  for (const char* name : std::array{"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK"}) {
    if (std::getenv(name) != nullptr) return true;
  }
  return false;
}

}  // namespace peryton
