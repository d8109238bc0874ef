// Replicated state must have the same bits on all data-parallel ranks. A flipped bit, or code that
// does different things on different ranks, shows here long before it shows in the loss.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "framework/comm/communicator.h"
#include "framework/optim/arena.h"

namespace peryton {

// XXH3 of the master weights and moments.
std::uint64_t arena_hash(const TrainableArena& arena);

// Collective. Throws an Error (kSystem) on every rank when the hashes differ; it names the first
// parameter, in order of execution, and the ranks that differ from rank 0. Costs one pass over the
// arena: call it every N steps.
void check_replicas(const TrainableArena& arena, Communicator& ranks, std::int64_t step);

}  // namespace peryton
