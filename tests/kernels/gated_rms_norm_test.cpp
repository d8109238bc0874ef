// The fast path against the plain loops.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/gated_rms_norm/gated_rms_norm.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace peryton::kernels {
namespace {

std::vector<float> noise(std::int64_t count, std::uint32_t seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = normal(engine);
  return values;
}

void expect_near(const std::vector<float>& a, const std::vector<float>& b, double tolerance) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], tolerance) << "at " << i;
}

void check(std::int64_t rows, std::int64_t width, std::int64_t groups, bool before) {
  const std::int64_t stride = width + 3;
  const auto y = noise(rows * width, 1), z = noise(rows * stride, 2), weight = noise(width, 3);
  const auto d_output = noise(rows * width, 4);
  const GatedRmsNormArgs<float> shared{rows,  width,  groups,        y.data(), z.data(),
                                       width, stride, weight.data(), 1e-5,     before};
  std::vector<float> out[3], r[3], d_y[3], d_z[3], d_weight[3];
  for (int run = 0; run < 3; ++run) {  // reference, one thread, three threads
    for (auto* values : {&out[run], &d_y[run], &d_z[run]}) values->resize(y.size());
    r[run].resize(static_cast<std::size_t>(rows * groups));
    d_weight[run].resize(weight.size());
    std::vector<float> workspace(static_cast<std::size_t>(gated_rms_norm_workspace(rows, width)));
    const GatedRmsNormForwardArgs<float> forward{shared, out[run].data(), width, r[run].data()};
    const GatedRmsNormBackwardArgs<float> backward{
        shared,          r[run].data(),   d_output.data(),
        width,           d_y[run].data(), d_z[run].data(),
        width,           width,           d_weight[run].data(),
        workspace.data()};
    if (run == 0) {
      cpu::reference::gated_rms_norm(forward);
      cpu::reference::gated_rms_norm_backward(backward);
    } else {
      const Context context{.device = {}, .threads = run == 1 ? 1 : 3};
      cpu::gated_rms_norm(forward, context);
      cpu::gated_rms_norm_backward(backward, context);
    }
  }
  expect_near(out[1], out[0], 3e-5);
  expect_near(d_y[1], d_y[0], 3e-5);
  expect_near(d_z[1], d_z[0], 3e-5);
  expect_near(d_weight[1], d_weight[0], 2e-6 * static_cast<double>(rows) + 3e-5);
  EXPECT_EQ(out[1], out[2]);
  EXPECT_EQ(d_y[1], d_y[2]);
  EXPECT_EQ(d_z[1], d_z[2]);
  EXPECT_EQ(d_weight[1], d_weight[2]);
}

TEST(GatedRmsNorm, FastPathAgreesWithReference) {
  for (const bool before : {false, true}) {
    check(1, 5, 1, before);
    check(130, 48, 1, before);
    check(67, 60, 3, before);
    check(3, 384, 2, before);
  }
}

TEST(GatedRmsNorm, WrongGroupsAreReported) {
  GatedRmsNormForwardArgs<float> args{};
  args.width = 10;
  args.groups = 3;
  EXPECT_THROW(cpu::gated_rms_norm(args, Context{}), ArgumentError);
}

}  // namespace
}  // namespace peryton::kernels
