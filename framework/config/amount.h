// Amounts that a person writes as a count, as a share of a whole, or not at all.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>

namespace peryton {

// "every 50 steps" or "2 % of the stage's steps". Both zero: never.
struct Interval {
  std::int64_t steps = 0;
  double fraction = 0.0;

  bool never() const { return steps == 0 && fraction == 0.0; }
  // In steps of a stage that has `total` of them; at least 1 unless never (then 0).
  std::int64_t in_steps(std::int64_t total) const {
    if (never()) return 0;
    if (steps > 0) return steps;
    const auto count =
        static_cast<std::int64_t>(std::llround(fraction * static_cast<double>(total)));
    return count > 1 ? count : 1;
  }
  bool operator==(const Interval&) const = default;
};

}  // namespace peryton
