// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace peryton::kernels {

// Adds values pairwise in the order in which they come, an odd last one moving up: the same tree as
// level by level, without keeping the values. Up to 2^32 of them.
class BlockTree {
 public:
  void add(float value) {
    std::uint64_t count = ++count_;
    int level = 0;
    for (; (count & 1) == 0; count >>= 1) value = levels_[level++] + value;
    levels_[level] = value;
  }
  float sum() const {
    float total = 0;
    bool first = true;
    for (int level = 0; level < kLevels; ++level) {
      if ((count_ >> level & 1) == 0) continue;
      total = first ? levels_[level] : levels_[level] + total;
      first = false;
    }
    return total;
  }

 private:
  static constexpr int kLevels = 33;
  float levels_[kLevels];
  std::uint64_t count_ = 0;
};

}  // namespace peryton::kernels
