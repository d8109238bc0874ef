// Learning-rate schedules: a factor in [0, 1] as a pure function of the step.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace peryton {

enum class ScheduleKind { kConstant, kLinear, kCosine, kWsd };

// "constant", "linear", "cosine", "wsd"; anything else is fail_input(where).
ScheduleKind schedule_kind(const std::string& name, const std::string& where = "");

// With w = warmup_steps, n = total_steps, r = minimum_ratio and step s counted from 0:
//   s < w:      (s + 1) / w
//   constant:   1
//   otherwise, with u = (s - w) / max(1, n - 1 - w) clipped to [0, 1], so that the last step
//   reaches r: linear:     1 - (1 - r) u cosine:     r + (1 - r) (1 + cos(pi u)) / 2 wsd (warm-up,
//   stable, decay): 1 until s = n - decay_steps, then linear to r at the last step
struct Schedule {
  ScheduleKind kind = ScheduleKind::kConstant;
  std::int64_t total_steps = 0;
  std::int64_t warmup_steps = 0;
  std::int64_t decay_steps = 0;  // wsd only
  double minimum_ratio = 0.0;

  double factor(std::int64_t step) const;
};

}  // namespace peryton
