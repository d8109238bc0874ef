// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "framework/comm/all_reduce.h"
#include "framework/comm/mesh.h"
#include "framework/comm/world.h"
#include "tests/support/collectives_cases.h"

namespace peryton {
namespace {

class ThreadRanks : public ::testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Sizes, ThreadRanks, ::testing::Values(1, 2, 3, 4, 5));

TEST_P(ThreadRanks, AllReduce) { run_ranks(GetParam(), testing::check_all_reduce); }
TEST_P(ThreadRanks, Asynchronous) { run_ranks(GetParam(), testing::check_asynchronous_all_reduce); }
TEST_P(ThreadRanks, GatherScatterBroadcast) {
  run_ranks(GetParam(), testing::check_gather_scatter_broadcast);
}
TEST_P(ThreadRanks, SplitAndMesh) { run_ranks(GetParam(), testing::check_split_and_mesh); }
TEST_P(ThreadRanks, PointToPoint) { run_ranks(GetParam(), testing::check_point_to_point); }

TEST(SelfCommunicator, EverythingIsTheIdentity) {
  testing::check_all_collectives(*self_communicator());
}

// Whoever is late, the bits are the same.
TEST(ThreadRanks, TimingDoesNotChangeBits) {
  for (int late = 0; late < 3; ++late) {
    run_ranks(3, [late](Communicator& ranks) {
      if (ranks.rank() == late) std::this_thread::sleep_for(std::chrono::milliseconds(20));
      testing::check_all_reduce(ranks);
    });
  }
}

TEST(ThreadRanks, AFailureReachesEveryRankAndItsTextTheCaller) {
  std::atomic<int> stopped{0};
  const auto body = [&](Communicator& ranks) {
    if (ranks.rank() == 1) fail_input("bad word", "file:3", "mend it");
    try {
      ranks.barrier();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kSystem);
      ++stopped;
      throw;
    }
  };
  try {
    run_ranks(4, body);
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.message(), "bad word");
  }
  EXPECT_EQ(stopped, 3);
}

TEST(ThreadRanks, WaitingForARankThatEndedIsAnError) {
  EXPECT_THROW(run_ranks(2,
                         [](Communicator& ranks) {
                           if (ranks.rank() == 0) ranks.barrier();
                         }),
               Error);
}

TEST(ThreadRanks, DifferentSizesAreAnErrorNotAHang) {
  EXPECT_THROW(run_ranks(2,
                         [](Communicator& ranks) {
                           std::vector<float> values(ranks.rank() == 0 ? 3 : 4);
                           ranks.all_reduce(std::span<float>(values));
                         }),
               Error);
}

TEST(ThreadRanks, AFailedOperationKeepsFailing) {
  EXPECT_THROW(run_ranks(2,
                         [](Communicator& ranks) {
                           if (ranks.rank() == 1) return;
                           const Tensor first = Tensor::zeros(DType::kFloat32, {8}),
                                        second = Tensor::zeros(DType::kFloat32, {8});
                           Pending one = ranks.start_all_reduce(first);
                           Pending two = ranks.start_all_reduce(second);
                           EXPECT_THROW(one.wait(), Error);
                           EXPECT_THROW(ranks.progress(), Error);
                           EXPECT_THROW(ranks.progress(), Error);
                           two.wait();
                         }),
               Error);
}

TEST(ThreadRanks, AbortStopsAll) {
  EXPECT_THROW(run_ranks(3,
                         [](Communicator& ranks) {
                           if (ranks.rank() == 2) ranks.abort("enough");
                           ranks.barrier();
                         }),
               Error);
}

TEST(Communicator, WrongUseIsReported) {
  const auto self = self_communicator();
  std::vector<float> three(3), four(4);
  EXPECT_THROW(self->all_gather(std::span<const float>(three), std::span<float>(four)), Error);
  EXPECT_THROW(self->send(std::span<const float>(three), 0), Error);
  EXPECT_THROW(self->all_reduce(Tensor::zeros(DType::kFloat32, {4, 4}).slice(1, 0, 2)), Error);
  EXPECT_THROW(
      run_ranks(
          2, [](Communicator& ranks) { ranks.all_reduce(Tensor::zeros(DType::kBFloat16, {4})); }),
      Error);
}

TEST(Mesh, CoordinatesAndRanksAreInverse) {
  const MeshSizes sizes{.data = 2, .component = 3, .tensor = 4};
  for (int rank = 0; rank < sizes.ranks(); ++rank) {
    EXPECT_EQ(mesh_rank(sizes, mesh_coordinates(sizes, rank)), rank);
  }
  EXPECT_EQ(mesh_coordinates(sizes, 1), (MeshCoordinates{0, 0, 1}));  // the tensor axis is fastest
  EXPECT_EQ(mesh_coordinates(sizes, 4), (MeshCoordinates{0, 1, 0}));
  EXPECT_EQ(mesh_coordinates(sizes, 12), (MeshCoordinates{1, 0, 0}));
}

TEST(Mesh, WrongWorldSizeIsTheUsersError) {
  try {
    const Mesh mesh(*self_communicator(), {.data = 2});
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), 2);
  }
}

}  // namespace
}  // namespace peryton
