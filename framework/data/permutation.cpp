// SPDX-License-Identifier: Apache-2.0
#include "framework/data/permutation.h"

#include <bit>

#include "framework/core/error.h"

namespace peryton {

Permutation::Permutation(const Rng& key, std::uint64_t size)
    : key_(key), size_(size), half_bits_((std::bit_width(size | 2) + 1) / 2) {
  PERYTON_CHECK(size > 0 && size <= std::uint64_t{1} << 62);
}

std::uint64_t Permutation::operator()(std::uint64_t index) const {
  const std::uint64_t mask = (std::uint64_t{1} << half_bits_) - 1;
  std::uint64_t value = index;
  do {
    std::uint64_t left = value >> half_bits_, right = value & mask;
    for (std::uint64_t round = 0; round < 4; ++round) {
      const std::uint64_t mixed = left ^ (key_.bits(right << 2 | round) & mask);
      left = right;
      right = mixed;
    }
    value = left << half_bits_ | right;
  } while (value >= size_);
  return value;
}

}  // namespace peryton
