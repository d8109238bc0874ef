// The fast path against the plain loops, with halo, document starts, strides and odd sizes.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/causal_conv1d/causal_conv1d.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/kernels/values.h"

namespace peryton::kernels {
namespace {

using test::expect_near;
using test::normals;

struct Case {
  std::int64_t batch, tokens, channels, width;
  bool halo, documents, silu, bias;
};

class CausalConv1d : public testing::TestWithParam<Case> {
 protected:
  // A document starts at every third token of the second half, and at 0.
  static std::vector<std::int32_t> document_starts(const Case& c) {
    std::vector<std::int32_t> starts;
    for (std::int64_t b = 0; b < c.batch; ++b) {
      std::int64_t start = 0;
      for (std::int64_t t = 0; t < c.tokens; ++t) {
        if (t > c.tokens / 2 && t % 3 == 0) start = t;
        starts.push_back(static_cast<std::int32_t>(start));
      }
    }
    return starts;
  }
};

TEST_P(CausalConv1d, FastPathAgreesWithReference) {
  const Case c = GetParam();
  const std::int64_t stride = c.channels + 5, elements = c.batch * c.tokens * c.channels;
  const auto input = normals<float>(c.batch * c.tokens * stride, 1);
  const auto weight = normals<float>(c.width * c.channels, 2), bias = normals<float>(c.channels, 3);
  const auto halo = normals<float>(c.batch * (c.width - 1) * c.channels + 1, 4);
  const auto d_output = normals<float>(elements, 5);
  const auto starts = document_starts(c);
  const CausalConv1dArgs<float> shared{c.batch,
                                       c.tokens,
                                       c.channels,
                                       c.width,
                                       input.data() + 3,
                                       {c.tokens * stride, stride},
                                       weight.data(),
                                       c.bias ? bias.data() : nullptr,
                                       c.documents ? starts.data() : nullptr,
                                       c.halo ? halo.data() : nullptr,
                                       c.silu};
  const TokenStrides packed{c.tokens * c.channels, c.channels};
  const auto size = static_cast<std::size_t>(elements);
  std::vector<float> out[3], d_input[3], d_weight[3], d_bias[3];
  for (int run = 0; run < 3; ++run) {  // reference, one thread, three threads
    out[run].resize(size);
    d_input[run].resize(size);
    d_weight[run].resize(weight.size());
    d_bias[run].resize(bias.size());
    std::vector<float> workspace(
        static_cast<std::size_t>(causal_conv1d_workspace(c.batch, c.channels, c.width)));
    const CausalConv1dForwardArgs<float> forward{shared, out[run].data(), packed};
    const CausalConv1dBackwardArgs<float> backward{shared,
                                                   d_output.data(),
                                                   packed,
                                                   d_input[run].data(),
                                                   packed,
                                                   d_weight[run].data(),
                                                   d_bias[run].data(),
                                                   workspace.data()};
    if (run == 0) {
      cpu::reference::causal_conv1d(forward);
      cpu::reference::causal_conv1d_backward(backward);
    } else {
      const Context context{.device = {}, .threads = run == 1 ? 1 : 3};
      cpu::causal_conv1d(forward, context);
      cpu::causal_conv1d_backward(backward, context);
    }
  }
  const double sums = static_cast<double>(c.batch * c.tokens);
  expect_near(out[1], out[0], 3e-5, 0, "output");
  expect_near(d_input[1], d_input[0], 3e-5, 0, "d_input");
  expect_near(d_weight[1], d_weight[0], 3e-6 * (10 + sums / 10), 0, "d_weight");
  expect_near(d_bias[1], d_bias[0], 3e-6 * (10 + sums / 10), 0, "d_bias");
  EXPECT_EQ(out[1], out[2]);
  EXPECT_EQ(d_input[1], d_input[2]);
  EXPECT_EQ(d_weight[1], d_weight[2]);
  EXPECT_EQ(d_bias[1], d_bias[2]);
}

INSTANTIATE_TEST_SUITE_P(Cases, CausalConv1d,
                         testing::Values(Case{2, 37, 19, 4, false, false, true, true},
                                         Case{1, 130, 72, 4, true, false, true, false},
                                         Case{3, 65, 66, 4, false, true, true, true},
                                         Case{2, 2, 8, 4, true, true, false, true},
                                         Case{1, 9, 130, 3, false, true, false, false},
                                         Case{2, 40, 9, 21, true, true, true, true},
                                         Case{2, 5, 16, 1, false, false, true, true}));

TEST(CausalConv1dHalo, TwoCallsEqualOne) {
  const std::int64_t tokens = 11, channels = 6, width = 4;
  const auto input = normals<float>(tokens * channels, 7),
             weight = normals<float>(width * channels, 8);
  std::vector<float> whole(input.size()), parts(input.size());
  std::vector<float> halo(static_cast<std::size_t>((width - 1) * channels), 0.0f);
  const Context context;
  const auto run = [&](std::int64_t begin, std::int64_t end, std::vector<float>& out, bool carry) {
    CausalConv1dForwardArgs<float> args{};
    args.batch = 1, args.tokens = end - begin, args.channels = channels, args.width = width;
    args.input = input.data() + begin * channels;
    args.input_strides = args.output_strides = {tokens * channels, channels};
    args.weight = weight.data();
    args.silu = true;
    args.output = out.data() + begin * channels;
    if (carry) args.halo = halo.data();
    cpu::causal_conv1d(args, context);
    if (carry) cpu::causal_conv1d_advance(args, halo.data());
  };
  run(0, tokens, whole, false);
  run(0, 2, parts, true);  // shorter than the halo
  run(2, 3, parts, true);
  run(3, tokens, parts, true);
  EXPECT_EQ(whole, parts);
}

}  // namespace
}  // namespace peryton::kernels
