// The fast path against the plain loops.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/gated_rms_norm/gated_rms_norm.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/kernels/values.h"

namespace peryton::kernels {
namespace {

using test::expect_near;
using test::normals;

void check(std::int64_t rows, std::int64_t width, std::int64_t groups, bool before) {
  const std::int64_t stride = width + 3;
  const auto y = normals<float>(rows * width, 1), z = normals<float>(rows * stride, 2),
             weight = normals<float>(width, 3);
  const auto d_output = normals<float>(rows * width, 4);
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
  expect_near(out[1], out[0], 3e-5, 0, "out");
  expect_near(d_y[1], d_y[0], 3e-5, 0, "d_y");
  expect_near(d_z[1], d_z[0], 3e-5, 0, "d_z");
  expect_near(d_weight[1], d_weight[0], 2e-6 * static_cast<double>(rows) + 3e-5, 0, "d_weight");
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
