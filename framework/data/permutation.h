// A keyed permutation of [0, size) that is computed, not stored.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "framework/core/rng.h"

namespace peryton {

// A Feistel network of four rounds over the smallest even number of bits that holds `size`; values
// outside are sent round again until they fall inside (cycle walking: Black and Rogaway 2002).
class Permutation {
 public:
  Permutation(const Rng& key, std::uint64_t size);
  std::uint64_t operator()(std::uint64_t index) const;  // index < size

 private:
  Rng key_;
  std::uint64_t size_;
  int half_bits_;
};

}  // namespace peryton
