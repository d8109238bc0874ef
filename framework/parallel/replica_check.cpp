// SPDX-License-Identifier: Apache-2.0
#include "framework/parallel/replica_check.h"

#include <xxhash.h>

#include <algorithm>
#include <vector>

namespace peryton {
namespace {

std::uint64_t hash_range(const TrainableArena& arena, ArenaRange range) {
  std::uint64_t hash = 0;
  for (const Tensor& flat : {arena.weights(), arena.moment1(), arena.moment2()}) {
    const Tensor part = flat.slice(0, range.begin, range.end);
    hash = XXH3_64bits_withSeed(part.raw(), static_cast<std::size_t>(part.bytes()), hash);
  }
  return hash;
}

// hashes[rank * count + i] for this rank's `mine[i]`.
std::vector<std::int64_t> gather(Communicator& ranks, const std::vector<std::int64_t>& mine) {
  std::vector<std::int64_t> all(mine.size() * static_cast<std::size_t>(ranks.size()));
  ranks.all_gather(std::span<const std::int64_t>(mine), std::span<std::int64_t>(all));
  return all;
}

}  // namespace

std::uint64_t arena_hash(const TrainableArena& arena) {
  return arena.elements() == 0 ? 0 : hash_range(arena, {0, arena.elements()});
}

void check_replicas(const TrainableArena& arena, Communicator& ranks, std::int64_t step) {
  if (ranks.size() == 1) return;
  const auto whole = gather(ranks, {static_cast<std::int64_t>(arena_hash(arena))});
  if (std::ranges::all_of(whole, [&](std::int64_t hash) { return hash == whole[0]; })) return;

  std::vector<std::int64_t> mine;
  for (const ArenaSlot& slot : arena.slots()) {
    mine.push_back(static_cast<std::int64_t>(hash_range(arena, slot.range)));
  }
  const auto all = gather(ranks, mine);
  std::string culprit = "the padding of the arena";
  std::vector<int> different;
  for (std::size_t slot = mine.size(); slot-- > 0 && different.empty();) {
    for (int rank = 1; rank < ranks.size(); ++rank) {
      if (all[static_cast<std::size_t>(rank) * mine.size() + slot] != all[slot])
        different.push_back(rank);
    }
    if (!different.empty()) culprit = arena.slots()[slot].parameter->name;
  }
  throw Error(ErrorKind::kSystem,
              fmt::format("step {}: {} differs between replicas: rank(s) {} from rank 0", step,
                          culprit, fmt::join(different, ", ")),
              "",
              "resume from the last checkpoint; if it happens again, suspect that rank's memory");
}

}  // namespace peryton
