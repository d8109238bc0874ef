// SPDX-License-Identifier: Apache-2.0
#include "framework/data/split.h"

#include <xxhash.h>

#include <algorithm>
#include <map>
#include <string_view>

#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/data/near_duplicates.h"

namespace peryton {
namespace {

struct Group {
  std::uint64_t key = 0;  // its place in the order
  std::int64_t bytes = 0;
  std::vector<std::size_t> documents;
  bool taken = false;
};

std::int64_t bytes_of(const Document& document) {
  return static_cast<std::int64_t>(document.prompt.size() + document.text.size());
}

std::vector<Group> make_groups(std::span<const Document> documents, const SplitSettings& settings,
                               std::uint64_t seed, int threads) {
  std::vector<std::string_view> texts;
  for (const auto& document : documents) texts.push_back(document.text);
  std::vector<std::int64_t> roots;
  if (settings.near_duplicates > 0) {
    roots = near_duplicate_groups(texts, settings.near_duplicates, threads);
  }
  const Rng rng(seed, RandomPurpose::kSplit);
  std::map<std::int64_t, Group> by_root;
  for (std::size_t d = 0; d < documents.size(); ++d) {
    Group& group = by_root[roots.empty() ? static_cast<std::int64_t>(d) : roots[d]];
    if (group.documents.empty())
      group.key = rng.bits(XXH3_64bits(texts[d].data(), texts[d].size()));
    group.bytes += bytes_of(documents[d]);
    group.documents.push_back(d);
  }
  std::vector<Group> groups;
  for (auto& [root, group] : by_root) groups.push_back(std::move(group));
  std::stable_sort(groups.begin(), groups.end(),
                   [](const Group& a, const Group& b) { return a.key < b.key; });
  return groups;
}

void take(std::vector<Group>& groups, double wanted, Side side, std::vector<Side>& sides) {
  double taken = 0;
  const auto add = [&](Group& group) {
    group.taken = true;
    taken += static_cast<double>(group.bytes);
    for (const std::size_t d : group.documents) sides[d] = side;
  };
  // What does not fit is passed over until most is taken; going on to the end would favour small
  // ones.
  constexpr double kEnough = 0.9;
  for (Group& group : groups) {
    if (group.taken) continue;
    const bool fits = taken + static_cast<double>(group.bytes) <= wanted;
    if (!fits && taken >= kEnough * wanted) break;
    if (fits) add(group);
  }
  if (taken > 0) return;
  // Nothing is that small: the smallest there is.
  Group* smallest = nullptr;
  for (Group& group : groups) {
    if (!group.taken && (smallest == nullptr || group.bytes < smallest->bytes)) smallest = &group;
  }
  if (smallest != nullptr) add(*smallest);
}

void check(const SplitSettings& settings) {
  const auto fraction = [](double value) { return value >= 0 && value < 1; };
  if (!fraction(settings.validation) || !fraction(settings.test) ||
      settings.validation + settings.test >= 1) {
    fail_input(fmt::format("validation {} and test {} leave nothing for training",
                           settings.validation, settings.test),
               "", "both are fractions, for example 2%");
  }
  if (!(settings.near_duplicates >= 0 && settings.near_duplicates <= 1)) {
    fail_input(fmt::format("near_duplicates {} is not in 0 .. 1", settings.near_duplicates));
  }
}

}  // namespace

std::vector<Side> split_documents(std::span<const Document> documents,
                                  const SplitSettings& settings, std::uint64_t seed, int threads) {
  check(settings);
  std::vector<Side> sides(documents.size(), Side::kTrain);
  auto groups = make_groups(documents, settings, seed, threads);
  const std::size_t needed = 1 + (settings.validation > 0 ? 1 : 0) + (settings.test > 0 ? 1 : 0);
  if (groups.size() < needed) {
    fail_input(
        fmt::format("{} documents{} cannot be split into {} sides", groups.size(),
                    settings.near_duplicates > 0 ? " that do not repeat each other" : "", needed),
        "", "give more documents, or cut the text into smaller ones with `documents:`");
  }
  double total = 0;
  for (const Group& group : groups) total += static_cast<double>(group.bytes);
  if (settings.test > 0) take(groups, settings.test * total, Side::kTest, sides);
  if (settings.validation > 0) take(groups, settings.validation * total, Side::kValidation, sides);
  return sides;
}

}  // namespace peryton
