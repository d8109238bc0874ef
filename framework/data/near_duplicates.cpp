// SPDX-License-Identifier: Apache-2.0
#include "framework/data/near_duplicates.h"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <string>
#include <unordered_map>

#include "framework/core/error.h"
#include "kernels/common/context.h"

namespace peryton {
namespace {

constexpr std::size_t kMaxShingles = std::size_t{1} << 25, kBytesPerWord = 5, kAllPairs = 64;

struct Shingle {
  std::uint64_t hash;
  std::uint32_t document;
  auto operator<=>(const Shingle&) const = default;
};

bool is_word_byte(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x80 || std::isalnum(byte) != 0;
}

std::vector<std::uint64_t> word_hashes(std::string_view text) {
  std::vector<std::uint64_t> hashes;
  std::string word;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && is_word_byte(text[i])) {
      word += static_cast<char>(std::tolower(static_cast<unsigned char>(text[i])));
    } else if (!word.empty()) {
      hashes.push_back(XXH3_64bits(word.data(), word.size()));
      word.clear();
    }
  }
  return hashes;
}

// The distinct sequences of one document whose hash is a multiple of `sample`.
std::vector<std::uint64_t> shingle_hashes(std::string_view text, std::uint64_t sample) {
  const auto words = word_hashes(text);
  const std::size_t length = std::min<std::size_t>(words.size(), kShingleWords);
  std::vector<std::uint64_t> hashes;
  for (std::size_t i = 0; length > 0 && i + length <= words.size(); ++i) {
    const std::uint64_t hash = XXH3_64bits(words.data() + i, length * sizeof words[0]);
    // A short document is never sampled away: its one sequence is all it has.
    if (hash % sample == 0 || words.size() <= kShingleWords) hashes.push_back(hash);
  }
  std::sort(hashes.begin(), hashes.end());
  hashes.erase(std::unique(hashes.begin(), hashes.end()), hashes.end());
  return hashes;
}

class Groups {
 public:
  explicit Groups(std::size_t size) : parent_(size) {
    for (std::size_t i = 0; i < size; ++i) parent_[i] = static_cast<std::int64_t>(i);
  }
  std::int64_t root(std::int64_t i) {
    while (at(i) != i) i = at(i) = at(at(i));  // path halving
    return i;
  }
  // The smaller root wins, so that a root is the lowest index of its group.
  void join(std::int64_t a, std::int64_t b) {
    a = root(a), b = root(b);
    at(std::max(a, b)) = std::min(a, b);
  }

 private:
  std::int64_t& at(std::int64_t i) { return parent_[static_cast<std::size_t>(i)]; }
  std::vector<std::int64_t> parent_;
};

using PairCounts = std::unordered_map<std::uint64_t, std::uint32_t>;

// Counts the pairs among the documents [begin, end), which hold the same sequence.
void count_pairs(const Shingle* begin, const Shingle* end, PairCounts& shared) {
  const auto count = [&](const Shingle& a, const Shingle& b) {
    ++shared[static_cast<std::uint64_t>(a.document) << 32 | b.document];
  };
  const bool all = static_cast<std::size_t>(end - begin) <= kAllPairs;
  for (const Shingle* b = begin + 1; b < end; ++b) {
    if (all) {
      for (const Shingle* a = begin; a < b; ++a) count(*a, *b);
      continue;
    }
    count(*begin, *b);
    if (b - 1 > begin) count(b[-1], *b);
  }
}

}  // namespace

std::vector<std::int64_t> near_duplicate_groups(std::span<const std::string_view> texts,
                                                double threshold, int threads) {
  PERYTON_CHECK(texts.size() < std::size_t{1} << 32);
  std::size_t bytes = 0;
  for (const auto text : texts) bytes += text.size();
  const std::uint64_t sample = 1 + bytes / kBytesPerWord / kMaxShingles;
  std::vector<std::vector<std::uint64_t>> hashes(texts.size());
  kernels::parallel_for({.device = {}, .threads = threads}, static_cast<std::int64_t>(texts.size()),
                        [&](std::int64_t i) {
                          const auto d = static_cast<std::size_t>(i);
                          hashes[d] = shingle_hashes(texts[d], sample);
                        });
  std::vector<Shingle> shingles;
  std::vector<std::size_t> sizes;
  for (std::size_t d = 0; d < hashes.size(); ++d) {
    sizes.push_back(hashes[d].size());
    for (const auto hash : hashes[d]) shingles.push_back({hash, static_cast<std::uint32_t>(d)});
    std::vector<std::uint64_t>().swap(hashes[d]);
  }
  std::sort(shingles.begin(), shingles.end());
  PairCounts shared;
  for (const Shingle *at = shingles.data(), *end = at + shingles.size(); at < end;) {
    const Shingle* next = at + 1;
    while (next < end && next->hash == at->hash) ++next;
    count_pairs(at, next, shared);
    at = next;
  }
  Groups groups(texts.size());
  for (const auto& [pair, count] : shared) {
    const auto a = static_cast<std::int64_t>(pair >> 32),
               b = static_cast<std::int64_t>(pair & 0xFFFFFFFF);
    const auto smaller =
        std::min(sizes[static_cast<std::size_t>(a)], sizes[static_cast<std::size_t>(b)]);
    if (static_cast<double>(count) > threshold * static_cast<double>(smaller)) groups.join(a, b);
  }
  std::vector<std::int64_t> result;
  for (std::size_t d = 0; d < texts.size(); ++d) {
    result.push_back(groups.root(static_cast<std::int64_t>(d)));
  }
  return result;
}

}  // namespace peryton
