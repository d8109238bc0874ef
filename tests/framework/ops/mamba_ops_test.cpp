// Gradients of the ops of Mamba and Mamba-2 mixers against central differences, and what they leave
// out for frozen weights.
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "framework/core/warn_once.h"
#include "framework/ops/causal_conv1d.h"
#include "framework/ops/gated_rms_norm.h"
#include "framework/ops/selective_scan.h"
#include "framework/ops/ssd.h"
#include "tests/support/finite_difference.h"

namespace peryton {
namespace {

using test::check_gradients;
using test::random_normal;

constexpr DType kDouble = DType::kFloat64;

Tensor two_documents(std::int64_t rows, std::int64_t tokens, std::int64_t second) {
  const Tensor starts = Tensor::zeros(DType::kInt32, {rows, tokens});
  for (std::int64_t b = 0; b < rows; ++b) {
    for (std::int64_t t = second; t < tokens; ++t) {
      starts.values<std::int32_t>()[static_cast<std::size_t>(b * tokens + t)] =
          static_cast<std::int32_t>(second);
    }
  }
  return starts;
}

TEST(CausalConv1d, Gradients) {
  for (const bool documents : {false, true}) {
    CausalConv1dOptions options;
    if (documents) options.document_start = two_documents(2, 7, 4);
    const auto f = [&](Tape& tape, const std::vector<Variable>& v) {
      return causal_conv1d(tape, v[0], v[1], v.size() > 2 ? v[2] : Variable(), options);
    };
    check_gradients(f, {random_normal(kDouble, {2, 7, 5}, 1), random_normal(kDouble, {5, 1, 4}, 2),
                        random_normal(kDouble, {5}, 3)});
    check_gradients(f, {random_normal(kDouble, {2, 7, 12}, 1).slice(-1, 3, 8),
                        random_normal(kDouble, {5, 1, 3}, 2)});
  }
}

// Taps that are zero change nothing, so the same convolution is run both ways.
TEST(CausalConv1d, WiderThanTheFastPathIsTheReferenceAndWarnsOnce) {
  constexpr std::int64_t kWide = 19, kNarrow = 4;
  const Tensor narrow = random_normal(DType::kFloat32, {5, 1, kNarrow}, 2);
  const Tensor wide = Tensor::zeros(DType::kFloat32, {5, 1, kWide});
  wide.slice(-1, kWide - kNarrow, kWide).copy_from(narrow);
  CausalConv1dOptions options;
  options.document_start = two_documents(2, 30, 21);
  const auto run = [&](const Tensor& weight) {
    Tape tape(kernels::Context{});
    const Variable x = tape.input(random_normal(DType::kFloat32, {2, 30, 5}, 1));
    const Variable w = tape.input(weight);
    const Variable y = causal_conv1d(tape, x, w, Variable(), options);
    tape.backward_from(y, random_normal(DType::kFloat32, y.shape(), 3));
    return std::array<Tensor, 3>{y.value(), x.gradient(), w.gradient()};
  };
  const auto fast = run(narrow), slow = run(wide);
  EXPECT_LE(test::max_difference(slow[0], fast[0]), 1e-5);
  EXPECT_LE(test::max_difference(slow[1], fast[1]), 1e-5);
  EXPECT_LE(
      test::max_difference(slow[2].slice(-1, kWide - kNarrow, kWide).contiguous_copy(), fast[2]),
      1e-4);
  // Said already, in these words.
  EXPECT_FALSE(
      warn_once("a convolution of 5 channels over 19 tokens is wider than the fast path takes; it "
                "runs slowly"));
  const auto f = [&](Tape& tape, const std::vector<Variable>& v) {
    return causal_conv1d(tape, v[0], v[1], v[2], options);
  };
  check_gradients(f, {random_normal(kDouble, {2, 30, 3}, 1),
                      random_normal(kDouble, {3, 1, kWide}, 2), random_normal(kDouble, {3}, 3)});
}

TEST(GatedRmsNorm, Gradients) {
  for (const bool before : {false, true}) {
    for (const std::int64_t groups : {1, 2}) {
      const auto f = [&](Tape& tape, const std::vector<Variable>& v) {
        return gated_rms_norm(tape, v[0], v[1], v[2],
                              {.groups = groups, .eps = 1e-5, .norm_before_gate = before});
      };
      check_gradients(f, {random_normal(kDouble, {2, 3, 6}, 1),
                          random_normal(kDouble, {2, 3, 9}, 2).slice(-1, 2, 8),
                          random_normal(kDouble, {6}, 3)});
    }
  }
}

TEST(SelectiveScan, Gradients) {
  for (const bool documents : {false, true}) {
    SelectiveScanOptions options;
    if (documents) options.document_start = two_documents(2, 7, 4);
    const auto f = [&](Tape& tape, const std::vector<Variable>& v) {
      return selective_scan(tape, {v[0], v[1], v[2], v[3], v[4], v[5], v[6]}, options);
    };
    check_gradients(
        f, {random_normal(kDouble, {2, 7, 8}, 1).slice(-1, 2, 7),
            random_normal(kDouble, {2, 7, 5}, 2), random_normal(kDouble, {2, 7, 3}, 3),
            random_normal(kDouble, {2, 7, 6}, 4).slice(-1, 1, 4), random_normal(kDouble, {5, 3}, 5),
            random_normal(kDouble, {5}, 6), random_normal(kDouble, {5}, 7)});
  }
}

// x, B, C | dt | a_log | dt_bias | d
std::vector<Tensor> ssd_inputs(DType dtype, const SsdOptions& o, std::int64_t rows,
                               std::int64_t tokens) {
  const std::int64_t width = o.heads * o.head_dim + 2 * o.groups * o.state;
  return {random_normal(dtype, {rows, tokens, width + 3}, 1).slice(-1, 2, width + 2),
          random_normal(dtype, {rows, tokens, o.heads}, 2), random_normal(dtype, {o.heads}, 3, 0.5),
          random_normal(dtype, {o.heads}, 4), random_normal(dtype, {o.heads}, 5)};
}

Variable ssd_of(Tape& tape, const std::vector<Variable>& v, const SsdOptions& options) {
  return ssd(tape, v[0], v[1], v[2], v[3], v[4], options);
}

TEST(Ssd, Gradients) {
  SsdOptions options{.heads = 4, .head_dim = 3, .state = 5, .groups = 2, .chunk = 4};
  const auto f = [&](Tape& tape, const std::vector<Variable>& v) {
    return ssd_of(tape, v, options);
  };
  check_gradients(f, ssd_inputs(kDouble, options, 2, 11));
  options.document_start = two_documents(2, 11, 6);
  check_gradients(f, ssd_inputs(kDouble, options, 2, 11));
  options.groups = 1;
  options.dt_min = 0.3;  // some steps are cut: no gradient goes through those
  options.dt_max = 1.1;
  check_gradients(f, ssd_inputs(kDouble, options, 2, 11));
}

TEST(Ssd, ChunkLengthDoesNotMatter) {
  SsdOptions options{.heads = 2, .head_dim = 8, .state = 16, .chunk = 64};
  const auto run = [&] {
    Tape tape(kernels::Context{});
    std::vector<Variable> v;
    for (const Tensor& t : ssd_inputs(DType::kFloat32, options, 2, 150)) v.push_back(tape.input(t));
    const Variable y = ssd_of(tape, v, options);
    tape.backward_from(y, random_normal(DType::kFloat32, y.shape(), 9));
    return std::pair(y.value(), v[1].gradient());
  };
  const auto [y, d_dt] = run();
  options.chunk = 16;
  const auto [y_short, d_dt_short] = run();
  EXPECT_LE(test::relative_error(y_short, y), 1e-5);
  EXPECT_LE(test::relative_error(d_dt_short, d_dt), 2e-5);
}

TEST(Ssd, CarriedStateContinues) {
  SsdOptions options{.heads = 2, .head_dim = 8, .state = 16, .chunk = 8};
  const auto inputs = ssd_inputs(DType::kFloat32, options, 2, 30);
  Tape tape(kernels::Context{}, Tape::Mode::kInference);
  const auto run = [&](std::int64_t begin, std::int64_t end) {
    std::vector<Variable> v;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      v.push_back(tape.constant(i < 2 ? inputs[i].slice(1, begin, end) : inputs[i]));
    }
    return ssd_of(tape, v, options).value();
  };
  const Tensor whole = run(0, 30);
  options.carried = Tensor::zeros(DType::kFloat32, {2, 2, 16, 8});
  for (const auto& [begin, end] : std::vector<std::pair<int, int>>{{0, 13}, {13, 14}, {14, 30}}) {
    EXPECT_LE(test::max_difference(run(begin, end), whole.slice(1, begin, end)), 1e-5);
  }
}

TEST(Ssd, FrozenWeightsPassTheInputGradient) {
  const SsdOptions options{.heads = 2, .head_dim = 4, .state = 4, .chunk = 8};
  const auto inputs = ssd_inputs(DType::kFloat32, options, 1, 10);
  const auto run = [&](bool trainable) {
    Tape tape(kernels::Context{});
    std::vector<Variable> v;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      v.push_back(i == 0 || trainable ? tape.input(inputs[i]) : tape.constant(inputs[i]));
    }
    const Variable y = ssd_of(tape, v, options);
    tape.backward_from(y, random_normal(DType::kFloat32, y.shape(), 9));
    EXPECT_EQ(v[2].gradient().defined(), trainable);
    return v[0].gradient();
  };
  EXPECT_TRUE(test::bitwise_equal(run(false), run(true)));
}

TEST(Ssd, BFloat16IsFloatRounded) {
  const SsdOptions options{.heads = 2, .head_dim = 4, .state = 4, .chunk = 8};
  const auto inputs = ssd_inputs(DType::kBFloat16, options, 1, 10);
  Tape tape(kernels::Context{}, Tape::Mode::kInference);
  std::vector<Variable> narrow, wide;
  for (const Tensor& t : inputs) {
    narrow.push_back(tape.constant(t));
    wide.push_back(tape.constant(t.to(DType::kFloat32)));
  }
  const Tensor expected = ssd_of(tape, wide, options).value().to(DType::kBFloat16);
  EXPECT_TRUE(test::bitwise_equal(ssd_of(tape, narrow, options).value(), expected));
}

}  // namespace
}  // namespace peryton
