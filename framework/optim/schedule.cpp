// SPDX-License-Identifier: Apache-2.0
#include "framework/optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "framework/core/error.h"

namespace peryton {

ScheduleKind schedule_kind(const std::string& name, const std::string& where) {
  if (name == "constant") return ScheduleKind::kConstant;
  if (name == "linear") return ScheduleKind::kLinear;
  if (name == "cosine") return ScheduleKind::kCosine;
  if (name == "wsd") return ScheduleKind::kWsd;
  fail_input("unknown schedule '" + name + "'", where, "one of constant, linear, cosine, wsd");
}

double Schedule::factor(std::int64_t step) const {
  PERYTON_CHECK(step >= 0);
  if (step < warmup_steps) {
    return static_cast<double>(step + 1) / static_cast<double>(warmup_steps);
  }
  // How far the step is on the way from `begin` to the last step.
  const auto progress = [&](std::int64_t begin) {
    const auto span = static_cast<double>(std::max<std::int64_t>(1, total_steps - 1 - begin));
    return std::clamp(static_cast<double>(step - begin) / span, 0.0, 1.0);
  };
  switch (kind) {
    case ScheduleKind::kConstant:
      return 1.0;
    case ScheduleKind::kLinear:
      return 1.0 - (1.0 - minimum_ratio) * progress(warmup_steps);
    case ScheduleKind::kCosine: {
      const double turn = std::cos(std::numbers::pi * progress(warmup_steps));
      return minimum_ratio + (1.0 - minimum_ratio) * 0.5 * (1.0 + turn);
    }
    case ScheduleKind::kWsd: {
      const std::int64_t decay_begin = std::max(warmup_steps, total_steps - 1 - decay_steps);
      return 1.0 - (1.0 - minimum_ratio) * progress(decay_begin);
    }
  }
  return 1.0;
}

}  // namespace peryton
