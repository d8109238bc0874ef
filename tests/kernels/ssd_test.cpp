// The chunked scan against the plain recurrence, in double (formulas) and float (accuracy).
// SPDX-License-Identifier: Apache-2.0
#include "kernels/ssd/ssd.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/kernels/ssd_scan.h"

namespace peryton::kernels {
namespace {

using test::expect_close;
using test::relative_error;
using Case = test::SsdCase;
template <class T>
using Scan = test::SsdScan<T>;

// float against double: 1e-5 (2e-5 where sums over a row cancel).
void check(const Case& c, double tight = 1e-5, double loose = 2e-5) {
  Scan<double> expected(c), chunked(c);
  expected.recurrence();
  chunked.chunked(1);
  expect_close(chunked, expected, 1e-12, 1e-10);
  EXPECT_LE(relative_error(chunked.d_d, expected.d_d), 1e-12);
  Scan<float> single(c), threaded(c);
  single.chunked(1);
  threaded.chunked(3);
  expect_close(single, expected, tight, loose);
  EXPECT_LE(relative_error(single.d_d, expected.d_d), tight);
  EXPECT_EQ(single.y, threaded.y);
  EXPECT_EQ(single.d_xbc, threaded.d_xbc);
  EXPECT_EQ(single.d_dt, threaded.d_dt);
  EXPECT_EQ(single.d_a_log, threaded.d_a_log);
  EXPECT_EQ(single.d_bias, threaded.d_bias);
}

TEST(Ssd, EveryLengthAroundTheChunk) {
  for (const std::int64_t tokens : {1, 3, 15, 16, 17, 31, 32, 33, 100}) {
    SCOPED_TRACE(tokens);
    check({.shape = {2, tokens, 2, 8, 4, 1}});
  }
}

TEST(Ssd, ShapesAndGroups) {
  check({.shape = {1, 70, 6, 16, 24, 1}, .chunk = 64});
  check({.shape = {1, 70, 6, 5, 7, 2}, .chunk = 32});
  check({.shape = {2, 33, 3, 64, 16, 3}, .chunk = 32});
  check({.shape = {1, 130, 9, 4, 130, 1}, .chunk = 128});
}

TEST(Ssd, StatesAndDocuments) {
  check({.shape = {2, 75, 4, 8, 8, 2}, .states = true});
  check({.shape = {2, 75, 4, 8, 8, 1}, .documents = true});
  check({.shape = {3, 60, 2, 8, 8, 1}, .states = true, .documents = true});
}

TEST(Ssd, StepLimits) {
  check({.shape = {1, 50, 4, 8, 8, 1}, .dt_min = 0.01, .dt_max = 0.05});
  check({.shape = {1, 50, 4, 8, 8, 1}, .dt_min = 0.2, .dt_max = 0.3, .states = true});
}

TEST(Ssd, HardDecays) {
  // Nothing decays.
  check({.shape = {1, 300, 2, 8, 8, 1}, .chunk = 64, .a_low = 1e-4, .a_high = 2e-4});
  // Everything is forgotten within a token or two; the decay gradient is a small difference then.
  check({.shape = {1, 100, 2, 8, 8, 1}, .chunk = 64, .step_low = 0.5, .step_high = 2}, 1e-5, 5e-4);
  // exp underflows.
  check({.shape = {1, 100, 2, 8, 8, 1}, .chunk = 64, .a_low = 16, .step_low = 2, .step_high = 40},
        1e-5, 5e-4);
  // Steps so small that 1 + exp(dt) would round to 1.
  check({.shape = {1, 100, 2, 8, 8, 1}, .step_low = 1e-9, .step_high = 1e-8, .states = true});
}

TEST(Ssd, StepByStepEqualsPrefill) {
  const Case c{.shape = {2, 19, 4, 12, 8, 2}};
  Scan<float> whole(c);
  whole.chunked(1);
  SsdForwardArgs<float> args = whole.forward_args();
  std::vector<float> y(whole.y.size());
  std::vector<float> state(whole.final_state.size(), 0.0f);
  args.y = y.data();
  args.initial_state = args.final_state = state.data();
  args.shape.tokens = 1;
  for (std::int64_t t = 0; t < c.shape.tokens; ++t) {
    cpu::ssd_forward<float>(args, {}, 1, nullptr, Context{});
    args.x += args.x_strides.token;
    args.b += args.b_strides.token;
    args.c += args.c_strides.token;
    args.dt += args.dt_strides.token;
    args.y += args.y_strides.token;
  }
  EXPECT_LE(relative_error(y, whole.y), 1e-6);
  EXPECT_LE(relative_error(state, whole.final_state), 1e-6);
}

}  // namespace
}  // namespace peryton::kernels
