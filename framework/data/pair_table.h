// A hash table from pairs of token ids to a small value: the inner loop of BPE.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

namespace peryton {

// Open addressing with linear probing, at most half full. Ids must not be negative.
template <class Value>
class PairTable {
 public:
  explicit PairTable(std::size_t expected = 0) { rehash(expected); }

  // The value of (left, right), or null. Pointers hold until the next insertion.
  const Value* find(std::int32_t left, std::int32_t right) const {
    const Slot& slot = slots_[position(key_of(left, right))];
    return slot.key == kEmpty ? nullptr : &slot.value;
  }

  // The value of (left, right), made if it was not there.
  Value& operator()(std::int32_t left, std::int32_t right) {
    if (2 * (used_ + 1) > slots_.size()) rehash(2 * used_ + 2);
    const std::uint64_t key = key_of(left, right);
    Slot& slot = slots_[position(key)];
    if (slot.key == kEmpty) {
      slot.key = key;
      ++used_;
    }
    return slot.value;
  }

  std::size_t size() const { return used_; }

  // visit(left, right, value) for every entry, in no useful order.
  template <class F>
  void for_each(F&& visit) {
    for (Slot& slot : slots_) {
      if (slot.key == kEmpty) continue;
      visit(static_cast<std::int32_t>(slot.key >> 32), static_cast<std::int32_t>(slot.key),
            slot.value);
    }
  }

 private:
  static constexpr std::uint64_t kEmpty = ~std::uint64_t{0};
  struct Slot {
    std::uint64_t key = kEmpty;
    Value value{};
  };

  static std::uint64_t key_of(std::int32_t left, std::int32_t right) {
    return static_cast<std::uint64_t>(left) << 32 | static_cast<std::uint32_t>(right);
  }

  std::size_t position(std::uint64_t key) const {
    // Multiplicative hashing (Knuth, volume 3, 6.4); the upper bits are the mixed ones.
    std::size_t at = static_cast<std::size_t>((key * 0x9E3779B97F4A7C15u) >> 20) & mask_;
    while (slots_[at].key != kEmpty && slots_[at].key != key) at = (at + 1) & mask_;
    return at;
  }

  void rehash(std::size_t entries) {
    std::size_t capacity = 16;
    while (capacity < 2 * entries + 2) capacity *= 2;
    std::vector<Slot> old(capacity);
    old.swap(slots_);
    mask_ = capacity - 1;
    for (Slot& slot : old) {
      if (slot.key != kEmpty) slots_[position(slot.key)] = std::move(slot);
    }
  }

  std::vector<Slot> slots_;
  std::size_t mask_ = 0, used_ = 0;
};

}  // namespace peryton
