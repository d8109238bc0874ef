// SPDX-License-Identifier: Apache-2.0
#include "framework/parallel/replica_check.h"

#include <gtest/gtest.h>

#include <string>

#include "framework/comm/world.h"
#include "tests/support/toy_model.h"

namespace peryton {
namespace {

TEST(ReplicaCheck, EqualReplicasPass) {
  run_ranks(3, [](Communicator& ranks) {
    const testing::ToyModel model(3, 40);
    const TrainableArena arena(model.parameters());
    check_replicas(arena, ranks, 7);
  });
}

TEST(ReplicaCheck, AFlippedBitIsNamedOnEveryRank) {
  run_ranks(4, [](Communicator& ranks) {
    const testing::ToyModel model(3, 40);
    const TrainableArena arena(model.parameters());
    if (ranks.rank() == 2) {
      auto* bytes = static_cast<unsigned char*>(model.parameters()[2]->value.raw());
      bytes[5] ^= 1;
    }
    try {
      check_replicas(arena, ranks, 7);
      ADD_FAILURE() << "nothing was thrown";
    } catch (const Error& error) {
      EXPECT_EQ(error.message(), "step 7: w1 differs between replicas: rank(s) 2 from rank 0");
    }
  });
}

TEST(ReplicaCheck, TheHashSeesMoments) {
  const testing::ToyModel model(2, 40);
  const TrainableArena arena(model.parameters());
  const std::uint64_t before = arena_hash(arena);
  arena.moment2().values<double>()[3] = 1e-300;
  EXPECT_NE(arena_hash(arena), before);
}

}  // namespace
}  // namespace peryton
