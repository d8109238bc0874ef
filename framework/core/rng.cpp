// SPDX-License-Identifier: Apache-2.0
#include "framework/core/rng.h"

#include <cmath>
#include <numbers>

namespace peryton {

std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                        std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * counter[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57u} * counter[2];
    counter = {
        static_cast<std::uint32_t>(p1 >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(p1),
        static_cast<std::uint32_t>(p0 >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(p0)};
    key = {key[0] + 0x9E3779B9u, key[1] + 0xBB67AE85u};
  }
  return counter;
}

std::uint64_t Rng::bits(std::uint64_t index) const {
  // The purpose is mixed into the upper half of the counter with the stream, the seed is the key.
  const std::uint64_t upper = stream_ ^ (static_cast<std::uint64_t>(purpose_) << 56);
  const auto out =
      philox4x32({static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32),
                  static_cast<std::uint32_t>(upper), static_cast<std::uint32_t>(upper >> 32)},
                 {static_cast<std::uint32_t>(seed_), static_cast<std::uint32_t>(seed_ >> 32)});
  return (static_cast<std::uint64_t>(out[1]) << 32) | out[0];
}

double Rng::uniform(std::uint64_t index) const {
  return static_cast<double>(bits(index) >> 11) * 0x1.0p-53;
}

double Rng::normal(std::uint64_t index) const {
  const double u1 = (static_cast<double>(bits(2 * index) >> 11) + 1.0) * 0x1.0p-53;  // (0, 1]
  const double u2 = uniform(2 * index + 1);
  return std::sqrt(-2.0 * std::log(u1)) * std::cos(2.0 * std::numbers::pi * u2);
}

namespace {
__extension__ using Wide = unsigned __int128;
}  // namespace

std::uint64_t Rng::below(std::uint64_t index, std::uint64_t bound) const {
  // Multiply-shift; the bias is below bound / 2^64.
  return static_cast<std::uint64_t>((static_cast<Wide>(bits(index)) * bound) >> 64);
}

}  // namespace peryton
