// SPDX-License-Identifier: Apache-2.0
#include "framework/optim/schedule.h"

#include <gtest/gtest.h>

#include <cmath>

#include "framework/core/error.h"

namespace peryton {
namespace {

TEST(Schedule, WarmUpIsLinearAndReachesOne) {
  for (const auto* name : {"constant", "linear", "cosine", "wsd"}) {
    const Schedule schedule{
        .kind = schedule_kind(name), .total_steps = 20, .warmup_steps = 4, .decay_steps = 5};
    EXPECT_DOUBLE_EQ(schedule.factor(0), 0.25) << name;
    EXPECT_DOUBLE_EQ(schedule.factor(2), 0.75) << name;
    EXPECT_DOUBLE_EQ(schedule.factor(3), 1.0) << name;
    EXPECT_DOUBLE_EQ(schedule.factor(4), 1.0) << name;
  }
}

TEST(Schedule, Shapes) {
  Schedule schedule{.kind = ScheduleKind::kLinear, .total_steps = 11, .minimum_ratio = 0.1};
  EXPECT_DOUBLE_EQ(schedule.factor(5), 0.55);
  EXPECT_DOUBLE_EQ(schedule.factor(10), 0.1);
  EXPECT_DOUBLE_EQ(schedule.factor(1000), 0.1);  // past the end it stays
  schedule.kind = ScheduleKind::kCosine;
  EXPECT_DOUBLE_EQ(schedule.factor(0), 1.0);
  EXPECT_DOUBLE_EQ(schedule.factor(5), 0.55);
  EXPECT_NEAR(schedule.factor(2), 0.1 + 0.45 * (1 + std::cos(std::acos(-1.0) * 0.2)), 1e-15);
  EXPECT_NEAR(schedule.factor(10), 0.1, 1e-15);
  schedule.kind = ScheduleKind::kWsd;
  schedule.decay_steps = 4;
  EXPECT_DOUBLE_EQ(schedule.factor(6), 1.0);
  EXPECT_DOUBLE_EQ(schedule.factor(8), 0.55);
  EXPECT_DOUBLE_EQ(schedule.factor(10), 0.1);
  schedule.kind = ScheduleKind::kConstant;
  EXPECT_DOUBLE_EQ(schedule.factor(10), 1.0);
}

TEST(Schedule, NeverRisesAfterWarmUpAndStaysInRange) {
  for (const auto kind : {ScheduleKind::kConstant, ScheduleKind::kLinear, ScheduleKind::kCosine,
                          ScheduleKind::kWsd}) {
    for (const std::int64_t total : {1, 2, 3, 50}) {
      for (const std::int64_t warmup : {0, 1, 3, 60}) {
        const Schedule schedule{kind, total, warmup, 7, 0.2};
        double last = 1.0;
        for (std::int64_t step = warmup; step < 70; ++step) {
          const double factor = schedule.factor(step);
          EXPECT_LE(factor, last + 1e-15);
          EXPECT_GE(factor, 0.2 - 1e-15);
          last = factor;
        }
      }
    }
  }
}

TEST(Schedule, UnknownNameIsTheUsersError) {
  try {
    schedule_kind("cosin", "my.yaml:7");
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), 2);
    EXPECT_EQ(error.where(), "my.yaml:7");
  }
}

}  // namespace
}  // namespace peryton
