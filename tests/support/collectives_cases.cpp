// SPDX-License-Identifier: Apache-2.0
#include "tests/support/collectives_cases.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "framework/comm/mesh.h"

namespace peryton::testing {
namespace {

// Zero, one, odd, and more than several chunks of 1 MiB.
constexpr std::int64_t kSizes[] = {0, 1, 7, 1000, (5 << 17) + 3};

template <class T>
std::vector<T> filled(int rank, std::int64_t count) {
  std::vector<T> values(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) {
    const double value = case_value(rank, i);
    values[static_cast<std::size_t>(i)] =
        static_cast<T>(std::is_integral_v<T> ? value * 1e6 : value);
  }
  return values;
}

// Adds like the tree in framework/comm/all_reduce.h, written from its description alone.
template <class T>
T tree_sum(std::vector<T> leaves) {
  std::size_t power = 1;
  while (2 * power <= leaves.size()) power *= 2;
  const std::size_t folded = leaves.size() - power;
  std::vector<T> level;
  for (std::size_t i = 0; i < folded; ++i) level.push_back(leaves[2 * i] + leaves[2 * i + 1]);
  for (std::size_t i = 2 * folded; i < leaves.size(); ++i) level.push_back(leaves[i]);
  while (level.size() > 1) {
    std::vector<T> next;
    for (std::size_t i = 0; i < level.size(); i += 2) next.push_back(level[i] + level[i + 1]);
    level = next;
  }
  return level[0];
}

template <class T>
T expected(int ranks, std::int64_t i, Reduce op) {
  std::vector<T> leaves;
  for (int rank = 0; rank < ranks; ++rank) {
    const double value = case_value(rank, i);
    leaves.push_back(static_cast<T>(std::is_integral_v<T> ? value * 1e6 : value));
  }
  if (op == Reduce::kSum) return tree_sum(leaves);
  T largest = leaves[0];
  for (const T leaf : leaves) largest = leaf > largest ? leaf : largest;
  return largest;
}

template <class T>
void check_reduced(Communicator& ranks, const std::vector<T>& values, Reduce op, const char* what) {
  // Large buffers: a sample that hits every chunk, and the last element.
  const std::size_t stride = values.size() > 2000 ? 101 : 1;
  for (std::size_t k = 0; k < values.size(); k += stride) {
    const std::size_t i = values.size() - 1 - k;
    const T want = expected<T>(ranks.size(), static_cast<std::int64_t>(i), op);
    PERYTON_CHECK(std::memcmp(&want, &values[i], sizeof(T)) == 0,
                  "{}: element {} of {} on rank {}: {} not {}", what, i, values.size(),
                  ranks.rank(), values[i], want);
  }
}

template <class T>
void check_all_reduce_of(Communicator& ranks) {
  for (const std::int64_t count : kSizes) {
    for (const Reduce op : {Reduce::kSum, Reduce::kMax}) {
      std::vector<T> values = filled<T>(ranks.rank(), count);
      ranks.all_reduce(std::span<T>(values), op);
      check_reduced(ranks, values, op, "all_reduce");
    }
  }
}

}  // namespace

double case_value(int rank, std::int64_t i) {
  constexpr std::array scales{1e-2, 1e-1, 1.0, 10.0, 100.0};
  const std::uint64_t mixed =
      (static_cast<std::uint64_t>(i) + 1) * 2654435761u + static_cast<std::uint64_t>(rank) * 40503u;
  return (static_cast<double>(mixed % 1000003u) / 1000003.0 - 0.5) *
         scales[static_cast<std::size_t>(i + rank) % scales.size()];
}

void check_all_reduce(Communicator& ranks) {
  check_all_reduce_of<float>(ranks);
  check_all_reduce_of<double>(ranks);
  check_all_reduce_of<std::int64_t>(ranks);
  PERYTON_CHECK(ranks.sum(std::int64_t{3}) == 3 * ranks.size());
  PERYTON_CHECK(ranks.max(static_cast<double>(ranks.rank())) == ranks.size() - 1);
  // A NaN on any one rank reaches all.
  for (int bad = 0; bad < ranks.size(); ++bad) {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    PERYTON_CHECK(std::isnan(ranks.max(ranks.rank() == bad ? nan : 1.0)));
  }
}

void check_asynchronous_all_reduce(Communicator& ranks) {
  std::vector<Tensor> tensors;
  std::vector<Pending> pending;
  for (const std::int64_t count : kSizes) {
    tensors.push_back(Tensor::from_values<float>({count}, filled<float>(ranks.rank(), count)));
    pending.push_back(ranks.start_all_reduce(tensors.back()));
    // A blocking collective in between must neither disturb nor block the ones under way.
    PERYTON_CHECK(ranks.sum(std::int64_t{1}) == ranks.size());
  }
  // Half the ranks wait in the opposite order.
  for (std::size_t i = 0; i < pending.size(); ++i) {
    pending[ranks.rank() % 2 == 0 ? i : pending.size() - 1 - i].wait();
  }
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    PERYTON_CHECK(pending[i].test());
    const auto values = tensors[i].values<float>();
    check_reduced(ranks, std::vector<float>(values.begin(), values.end()), Reduce::kSum,
                  "asynchronous");
  }
  // Progress alone completes an operation.
  std::vector<float> values = filled<float>(ranks.rank(), 5000);
  const Tensor tensor = Tensor::from_values<float>({5000}, values);
  Pending last = ranks.start_all_reduce(tensor);
  while (!last.test()) ranks.progress();
}

void check_gather_scatter_broadcast(Communicator& ranks) {
  for (const std::int64_t count : kSizes) {
    const std::vector<float> mine = filled<float>(ranks.rank(), count);
    std::vector<float> all(mine.size() * static_cast<std::size_t>(ranks.size()));
    ranks.all_gather(std::span<const float>(mine), std::span<float>(all));
    for (int rank = 0; rank < ranks.size(); ++rank) {
      const auto want = filled<float>(rank, count);
      PERYTON_CHECK(std::equal(want.begin(), want.end(), all.begin() + rank * count), "all_gather");
    }

    const std::int64_t total = count * ranks.size();
    std::vector<float> summed = filled<float>(ranks.rank(), total), part(mine.size());
    ranks.reduce_scatter(std::span<const float>(summed), std::span<float>(part));
    ranks.all_reduce(std::span<float>(summed));
    PERYTON_CHECK(count == 0 || std::memcmp(part.data(), summed.data() + ranks.rank() * count,
                                            part.size() * sizeof(float)) == 0,
                  "reduce_scatter differs from all_reduce");

    for (int root = 0; root < ranks.size(); ++root) {
      std::vector<float> values = filled<float>(ranks.rank(), count);
      ranks.broadcast(std::span<float>(values), root);
      PERYTON_CHECK(values == filled<float>(root, count), "broadcast from {}", root);
    }
  }
  ranks.barrier();
}

void check_split_and_mesh(Communicator& ranks) {
  // Odd and even ranks, in reverse order.
  const auto half = ranks.split(ranks.rank() % 2, -ranks.rank());
  const int members = (ranks.size() + 1 - ranks.rank() % 2) / 2;
  PERYTON_CHECK(half->size() == members && half->rank() == members - 1 - ranks.rank() / 2);
  std::int64_t want = 0;
  for (int rank = ranks.rank() % 2; rank < ranks.size(); rank += 2) want += rank;
  PERYTON_CHECK(half->sum(static_cast<std::int64_t>(ranks.rank())) == want);
  if (ranks.size() != 4) return;
  const Mesh mesh(ranks, {.data = 2, .component = 1, .tensor = 2});
  PERYTON_CHECK(mesh.data().size() == 2 && mesh.component().size() == 1 &&
                mesh.tensor().size() == 2);
  PERYTON_CHECK(mesh.data().rank() == ranks.rank() / 2 && mesh.tensor().rank() == ranks.rank() % 2);
  PERYTON_CHECK(mesh.tensor().sum(std::int64_t{ranks.rank()}) == (ranks.rank() / 2 == 0 ? 1 : 5));
  PERYTON_CHECK(mesh.data().sum(std::int64_t{ranks.rank()}) == (ranks.rank() % 2 == 0 ? 2 : 4));
}

void check_point_to_point(Communicator& ranks) {
  if (ranks.size() == 1) return;
  const std::int64_t count = kSizes[4];
  for (int rank = 1; rank < ranks.size(); ++rank) {
    if (ranks.rank() == 0) {
      ranks.send(std::span<const double>(filled<double>(rank, count)), rank, 5);
      ranks.send(std::span<const double>(filled<double>(rank + 1, 3)), rank, 5);
    } else if (ranks.rank() == rank) {
      std::vector<double> first(static_cast<std::size_t>(count)), second(3);
      ranks.receive(std::span<double>(first), 0, 5);
      ranks.receive(std::span<double>(second), 0, 5);
      PERYTON_CHECK(first == filled<double>(rank, count) && second == filled<double>(rank + 1, 3));
    }
  }
}

void check_all_collectives(Communicator& ranks) {
  check_all_reduce(ranks);
  check_asynchronous_all_reduce(ranks);
  check_gather_scatter_broadcast(ranks);
  check_split_and_mesh(ranks);
  check_point_to_point(ranks);
}

}  // namespace peryton::testing
