// One list of checks for every backend: called on each rank, throws Error with the reason.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "framework/comm/communicator.h"

namespace peryton::testing {

// The value that element i of rank r starts with: of mixed size and sign, so that sums round.
double case_value(int rank, std::int64_t i);

// Sums must equal the documented tree over ranks, computed serially, bit for bit.
void check_all_reduce(Communicator& ranks);
void check_asynchronous_all_reduce(Communicator& ranks);
void check_gather_scatter_broadcast(Communicator& ranks);
void check_split_and_mesh(Communicator& ranks);
void check_point_to_point(Communicator& ranks);
void check_all_collectives(Communicator& ranks);

}  // namespace peryton::testing
