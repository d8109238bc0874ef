// What one core of this machine can do at most, measured once per program: the yardstick of the
// benchmarks.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace peryton::perf {

// Multiply-adds of independent float vectors in registers, in 1e9 operations (2 per element) per
// second.
double fma_peak();

// Sum over an array far larger than the caches, in 1e9 bytes per second.
double read_bandwidth();

// Reads every one of `count` integers (a multiple of 32), and returns some function of them, as
// fast as one core can.
std::uint64_t read_all(const std::uint64_t* values, std::int64_t count);

}  // namespace peryton::perf
