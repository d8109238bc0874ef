// Counter-based random numbers: Philox4x32-10 (Salmon et al., SC 2011). A value is a pure function
// of (seed, purpose, stream, index), so there is no generator state to save or to keep equal over
// ranks.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

namespace peryton {

// What the numbers are for; part of the key, so purposes never share a stream. Append only.
enum class RandomPurpose : std::uint32_t {
  kInitialisation = 1,
  kDataOrder = 2,
  kGumbel = 3,
  kSampling = 4,
  kBootstrap = 5,
  kSplit = 6,
  kTest = 7,
};

std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                        std::array<std::uint32_t, 2> key);

class Rng {
 public:
  // `stream` separates users of one purpose, for example the step or a hash of a tensor's name.
  Rng(std::uint64_t seed, RandomPurpose purpose, std::uint64_t stream = 0)
      : seed_(seed), purpose_(purpose), stream_(stream) {}

  std::uint64_t bits(std::uint64_t index) const;                        // 64 uniform bits
  double uniform(std::uint64_t index) const;                            // [0, 1), 53 bits
  double normal(std::uint64_t index) const;                             // N(0, 1), Box-Muller
  std::uint64_t below(std::uint64_t index, std::uint64_t bound) const;  // [0, bound)

 private:
  std::uint64_t seed_;
  RandomPurpose purpose_;
  std::uint64_t stream_;
};

}  // namespace peryton
