// SPDX-License-Identifier: Apache-2.0
#include "framework/parallel/invariant_reduction.h"

#include <gtest/gtest.h>

#include <vector>

#include "framework/comm/world.h"
#include "framework/parallel/gradient_buckets.h"
#include "tests/support/toy_model.h"

namespace peryton {
namespace {

constexpr std::int64_t kLeaves = 8;

std::vector<float> gradients(int count, bool invariant) {
  std::vector<float> result;
  run_ranks(count, [&](Communicator& ranks) {
    const testing::ToyModel model(5, 300, DType::kFloat32);
    TrainableArena arena(model.parameters());
    const std::int64_t mine = kLeaves / count;
    InvariantReducer reducer(arena, ranks, mine);
    for (int step = 0; step < 2; ++step) {  // the second step starts clean
      arena.zero_gradients();
      for (std::int64_t leaf = 0; leaf < mine; ++leaf) {
        Tape tape({});
        tape.backward(model.loss(tape, ranks.rank() * mine + leaf, 1.0 / kLeaves));
        if (invariant) reducer.leaf_done();
      }
      if (invariant) {
        reducer.finish();
      } else {
        ranks.all_reduce(arena.gradients());
      }
    }
    const auto values = arena.gradients().values<float>();
    if (ranks.rank() == count - 1) result = {values.begin(), values.end()};
  });
  return result;
}

TEST(InvariantReduction, GradientsAreBitEqualForEveryNumberOfRanks) {
  const auto one = gradients(1, true);
  for (const int ranks : {2, 4, 8}) EXPECT_EQ(gradients(ranks, true), one) << ranks << " ranks";
}

TEST(InvariantReduction, RunningSumsWouldNotBe) {
  EXPECT_NE(gradients(1, false), gradients(4, false));
  const auto tree = gradients(1, true), running = gradients(1, false);
  for (std::size_t i = 0; i < tree.size(); ++i) EXPECT_NEAR(tree[i], running[i], 1e-4);
}

TEST(InvariantReduction, OtherNumbersAreTheUsersError) {
  const testing::ToyModel model(1, 8);
  TrainableArena arena(model.parameters());
  try {
    const InvariantReducer reducer(arena, *self_communicator(), 3);
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), 2);
  }
}

TEST(InvariantReduction, CountsItsLeaves) {
  const testing::ToyModel model(1, 8);
  TrainableArena arena(model.parameters());
  const auto self = self_communicator();
  InvariantReducer reducer(arena, *self, 2);
  reducer.leaf_done();
  EXPECT_THROW(reducer.finish(), Error);
  reducer.leaf_done();
  EXPECT_THROW(reducer.leaf_done(), Error);
}

}  // namespace
}  // namespace peryton
