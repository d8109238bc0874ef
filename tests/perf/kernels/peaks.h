// What one core of this machine can do at most, measured once per program: the yardstick of the
// benchmarks.
// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace peryton::perf {

// Multiply-adds of independent float vectors in registers, in 1e9 operations (2 per element) per
// second.
double fma_peak();

// Sum over an array far larger than the caches, in 1e9 bytes per second.
double read_bandwidth();

}  // namespace peryton::perf
