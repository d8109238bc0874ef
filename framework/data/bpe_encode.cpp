// From a word to its tokens.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>
#include <queue>

#include "framework/data/bpe_model.h"
#include "framework/data/utf8.h"

namespace peryton {

void BpeModel::append_bytes(std::string_view word, std::vector<std::int32_t>& symbols) const {
  bool after_unknown = false;
  for (const char byte : word) {
    const std::int32_t id = byte_ids_[static_cast<std::uint8_t>(byte)];
    if (id >= 0) {
      symbols.push_back(id);
    } else if (unknown_ >= 0 && !(fuse_unknown_ && after_unknown)) {
      symbols.push_back(unknown_);
    }
    after_unknown = id < 0;
  }
}

// The tokens of a character's bytes, if the vocabulary has all of them.
bool BpeModel::append_fallback(std::string_view character,
                               std::vector<std::int32_t>& symbols) const {
  const auto id = [&](char byte) { return byte_ids_[static_cast<std::uint8_t>(byte)]; };
  if (!byte_fallback_) return false;
  if (std::ranges::any_of(character, [&](char byte) { return id(byte) < 0; })) return false;
  for (const char byte : character) symbols.push_back(id(byte));
  return true;
}

// An unknown character is written when the next known one is met, behind the bytes of those that
// fell back: so the `tokenizers` library has it.
void BpeModel::append_characters(std::string_view word, std::vector<std::int32_t>& symbols) const {
  bool pending = false;
  for (std::size_t at = 0; at < word.size();) {
    const Character character = character_at(word, at);
    const std::string_view text = word.substr(at, character.bytes);
    at += character.bytes;
    const auto found = character_ids_.find(character.code);
    if (found != character_ids_.end()) {
      if (pending) symbols.push_back(unknown_);
      pending = false;
      symbols.push_back(found->second);
    } else if (!append_fallback(text, symbols) && unknown_ >= 0) {
      if (pending && !fuse_unknown_) symbols.push_back(unknown_);
      pending = true;
    }
  }
  if (pending) symbols.push_back(unknown_);
}

void BpeModel::encode_word(std::string_view word, std::vector<std::int32_t>& ids) const {
  if (!whole_words_.empty()) {
    const auto found = whole_words_.find(std::string(word));
    if (found != whole_words_.end()) return ids.push_back(found->second);
  }
  std::vector<std::int32_t> symbols;
  alphabet_ == BpeAlphabet::kBytes ? append_bytes(word, symbols) : append_characters(word, symbols);
  constexpr std::size_t kShort = 48;  // below it, looking at every pair again is faster than a heap
  symbols.size() <= kShort ? merge_short(symbols) : merge_long(symbols);
  ids.insert(ids.end(), symbols.begin(), symbols.end());
}

void BpeModel::merge_short(std::vector<std::int32_t>& symbols) const {
  while (symbols.size() > 1) {
    Merge best{std::numeric_limits<std::int32_t>::max(), 0};
    std::size_t at = 0;
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
      const Merge* merge = merges_.find(symbols[i], symbols[i + 1]);
      if (merge != nullptr && merge->rank < best.rank) best = *merge, at = i;
    }
    if (best.rank == std::numeric_limits<std::int32_t>::max()) return;
    symbols[at] = best.id;
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
}

// The same by a heap of candidate merges over a linked list: O(n log n).
void BpeModel::merge_long(std::vector<std::int32_t>& symbols) const {
  struct Candidate {
    std::int32_t rank, at, left, right;
    bool operator<(const Candidate& other) const {  // the heap's top is the lowest rank, leftmost
      return rank != other.rank ? rank > other.rank : at > other.at;
    }
  };
  const auto count = static_cast<std::int32_t>(symbols.size());
  std::vector<std::int32_t> next(symbols.size()), previous(symbols.size());
  std::priority_queue<Candidate> heap;
  const auto id = [&](std::int32_t i) -> std::int32_t& {
    return symbols[static_cast<std::size_t>(i)];
  };
  const auto after = [&](std::int32_t i) -> std::int32_t& {
    return next[static_cast<std::size_t>(i)];
  };
  const auto before = [&](std::int32_t i) -> std::int32_t& {
    return previous[static_cast<std::size_t>(i)];
  };
  const auto consider = [&](std::int32_t i) {
    if (i < 0 || after(i) >= count) return;
    const Merge* merge = merges_.find(id(i), id(after(i)));
    if (merge != nullptr) heap.push({merge->rank, i, id(i), id(after(i))});
  };
  for (std::int32_t i = 0; i < count; ++i) after(i) = i + 1, before(i) = i - 1;
  for (std::int32_t i = 0; i < count; ++i) consider(i);
  while (!heap.empty()) {
    const Candidate top = heap.top();
    heap.pop();
    const std::int32_t right = after(top.at);
    // Stale: one of the two has been merged since (-1 marks the consumed).
    if (id(top.at) != top.left || right >= count || id(right) != top.right) continue;
    id(top.at) = merges_.find(top.left, top.right)->id;
    id(right) = -1;
    after(top.at) = after(right);
    if (after(right) < count) before(after(right)) = top.at;
    consider(before(top.at));
    consider(top.at);
  }
  std::erase(symbols, -1);
}

}  // namespace peryton
