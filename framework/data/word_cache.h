// Remembers the ids of words that were already merged; text repeats its words.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace peryton {

// Thread-safe: words are spread over shards with a lock each. A full shard stops learning new
// words.
class WordCache {
 public:
  // Appends the ids of `word`, from the cache or from make(word, ids).
  template <class Make>
  void append(std::string_view word, std::vector<std::int32_t>& ids, const Make& make) {
    if (word.size() > kLongestWord) return make(word, ids);
    Shard& shard = shards_[Hash{}(word) % kShards];
    {
      const std::lock_guard lock(shard.mutex);
      const auto found = shard.words.find(word);
      if (found != shard.words.end()) {
        ids.insert(ids.end(), found->second.begin(), found->second.end());
        return;
      }
    }
    const std::size_t begin = ids.size();
    make(word, ids);
    const std::lock_guard lock(shard.mutex);
    if (shard.words.size() >= kWordsPerShard) return;
    shard.words.emplace(std::string(word),
                        std::vector(ids.begin() + static_cast<long>(begin), ids.end()));
  }

 private:
  static constexpr std::size_t kLongestWord = 64, kShards = 64, kWordsPerShard = 2048;

  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view word) const {
      return std::hash<std::string_view>{}(word);
    }
  };
  struct Shard {
    std::mutex mutex;
    std::unordered_map<std::string, std::vector<std::int32_t>, Hash, std::equal_to<>> words;
  };
  std::array<Shard, kShards> shards_;
};

}  // namespace peryton
