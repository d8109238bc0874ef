// The chunked scan against the plain recurrence, in double (formulas) and float (accuracy).
// SPDX-License-Identifier: Apache-2.0
#include "kernels/ssd/ssd.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace peryton::kernels {
namespace {

struct Case {
  SsdShape shape;
  std::int64_t chunk = 16;
  double a_low = 1, a_high = 16;            // range of A = exp(a_log)
  double step_low = 1e-3, step_high = 0.1;  // range of Delta before the limits
  double dt_min = 0, dt_max = std::numeric_limits<double>::infinity();
  bool states = false;     // initial state, and a gradient of the final one
  bool documents = false;  // several documents per row, some of one token
};

std::vector<std::int32_t> document_starts(const Case& c) {
  std::vector<std::int32_t> starts;
  for (std::int64_t b = 0; b < c.shape.batch; ++b) {
    std::int64_t start = 0;
    for (std::int64_t t = 0; t < c.shape.tokens; ++t) {
      const bool begins = t == 5 + b || t == 6 + b || (t > 20 && t % 23 == 0);
      if (begins) start = t;
      starts.push_back(static_cast<std::int32_t>(start));
    }
  }
  return starts;
}

// Inputs, outputs and gradients of one run. x, b and c are column slices of one array, as in the
// model.
template <class T>
struct Scan {
  explicit Scan(const Case& c) : test(c), width(c.shape.heads * c.shape.head_dim) {
    const SsdShape& s = c.shape;
    shared = s.groups * s.state;
    stride = width + 2 * shared + 3;
    const auto tokens = static_cast<std::size_t>(s.batch * s.tokens);
    const auto heads = static_cast<std::size_t>(s.heads);
    std::mt19937 engine(17);
    std::normal_distribution<double> normal;
    std::uniform_real_distribution<double> uniform;
    const auto fill = [&](std::vector<T>& values, std::size_t count, auto&& next) {
      values.resize(count);
      for (T& value : values) value = static_cast<T>(static_cast<float>(next()));
    };
    const auto gauss = [&] { return normal(engine); };
    fill(xbc, tokens * static_cast<std::size_t>(stride), gauss);
    fill(a_log, heads, [&] { return std::log(c.a_low + (c.a_high - c.a_low) * uniform(engine)); });
    fill(bias, heads, [&] { return 0.1 * normal(engine); });
    fill(d, heads, gauss);
    fill(dt, tokens * heads, [&] {  // inverse of softplus
      const double step =
          std::exp(std::log(c.step_low) + std::log(c.step_high / c.step_low) * uniform(engine));
      return step > 30 ? step : std::log(std::expm1(step));
    });
    const auto states = static_cast<std::size_t>(s.batch * s.heads * s.state_elements());
    fill(initial, states, gauss);
    fill(d_final, states, gauss);
    fill(d_y, tokens * static_cast<std::size_t>(width), gauss);
    y.resize(d_y.size());
    final_state.resize(states);
    d_initial.resize(states);
    d_xbc.resize(xbc.size());
    d_dt.resize(dt.size());
    for (auto* sums : {&d_a_log, &d_bias, &d_d}) sums->resize(heads);
  }

  void fill_shared(SsdArgs<T>& args) const {
    const SsdShape& s = test.shape;
    args.shape = s;
    args.x = xbc.data();
    args.b = xbc.data() + width;
    args.c = args.b + shared;
    args.dt = dt.data();
    args.x_strides = args.b_strides = args.c_strides = {s.tokens * stride, stride};
    args.dt_strides = {s.tokens * s.heads, s.heads};
    args.a_log = a_log.data();
    args.dt_bias = bias.data();
    args.d = d.data();
    args.dt_min = static_cast<T>(test.dt_min);
    args.dt_max = static_cast<T>(test.dt_max);
    args.initial_state = test.states ? initial.data() : nullptr;
  }
  SsdForwardArgs<T> forward_args() {
    SsdForwardArgs<T> args{};
    fill_shared(args);
    args.y = y.data();
    args.y_strides = {test.shape.tokens * width, width};
    args.final_state = final_state.data();
    return args;
  }
  SsdBackwardArgs<T> backward_args() {
    SsdBackwardArgs<T> args{};
    fill_shared(args);
    args.d_y = d_y.data();
    args.d_y_strides = {test.shape.tokens * width, width};
    args.d_final_state = test.states ? d_final.data() : nullptr;
    args.d_x = d_xbc.data();
    args.d_b = d_xbc.data() + width;
    args.d_c = args.d_b + shared;
    args.d_x_strides = args.d_b_strides = args.d_c_strides = args.x_strides;
    args.d_dt = d_dt.data();
    args.d_dt_strides = args.dt_strides;
    args.d_a_log = d_a_log.data();
    args.d_dt_bias = d_bias.data();
    args.d_d = d_d.data();
    args.d_initial_state = d_initial.data();
    return args;
  }

  void recurrence() {
    const auto starts = document_starts(test);
    const std::int32_t* documents = test.documents ? starts.data() : nullptr;
    std::vector<T> states(
        static_cast<std::size_t>((test.shape.tokens + 1) * test.shape.state_elements()));
    cpu::reference::ssd_forward(forward_args(), documents, states.data());
    cpu::reference::ssd_backward(backward_args(), documents, states.data());
  }

  void chunked(int threads, T poison = std::numeric_limits<T>::quiet_NaN()) {
    const SsdShape& s = test.shape;
    const auto starts = document_starts(test);
    std::vector<std::int64_t> row_begin{0};
    std::vector<SsdChunk> chunks;
    for (std::int64_t b = 0; b < s.batch; ++b) {
      const std::int32_t* documents = test.documents ? starts.data() + b * s.tokens : nullptr;
      const auto count = ssd_count_chunks(s.tokens, test.chunk, documents);
      chunks.resize(static_cast<std::size_t>(row_begin.back() + count));
      ssd_fill_chunks(s.tokens, test.chunk, documents, test.states,
                      std::span(chunks).subspan(static_cast<std::size_t>(row_begin.back())));
      row_begin.push_back(row_begin.back() + count);
    }
    const SsdChunkTable table{chunks.data(), row_begin.data()};
    std::vector<T> states(chunks.size() * static_cast<std::size_t>(s.heads * s.state_elements()),
                          poison);
    std::vector<T> workspace(
        static_cast<std::size_t>(std::max(ssd_forward_workspace(s, test.chunk, threads),
                                          ssd_backward_workspace(s, test.chunk, threads))),
        poison);
    const Context context{.device = {}, .threads = threads};
    SsdForwardArgs<T> forward = forward_args();
    forward.chunk_states = states.data();
    cpu::ssd_forward(forward, table, test.chunk, workspace.data(), context);
    std::fill(workspace.begin(), workspace.end(), poison);
    SsdBackwardArgs<T> backward = backward_args();
    backward.chunk_states = states.data();
    cpu::ssd_backward(backward, table, test.chunk, workspace.data(), context);
  }

  Case test;
  std::int64_t width, shared, stride;
  std::vector<T> xbc, dt, a_log, bias, d, initial, d_final, d_y;
  std::vector<T> y, final_state, d_xbc, d_dt, d_a_log, d_bias, d_d, d_initial;
};

template <class A, class B>
double relative_error(const std::vector<A>& actual, const std::vector<B>& expected) {
  double error = 0, norm = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double difference = static_cast<double>(actual[i]) - static_cast<double>(expected[i]);
    error += difference * difference;
    norm += static_cast<double>(expected[i]) * static_cast<double>(expected[i]);
  }
  return std::sqrt(error) / (std::sqrt(norm) + 1e-300);  // NaN if anything is NaN
}

// `loose` is for the gradients of the decay.
template <class T>
void expect_close(const Scan<T>& actual, const Scan<double>& expected, double tight, double loose) {
  EXPECT_LE(relative_error(actual.y, expected.y), tight);
  EXPECT_LE(relative_error(actual.final_state, expected.final_state), tight);
  EXPECT_LE(relative_error(actual.d_xbc, expected.d_xbc), tight);
  EXPECT_LE(relative_error(actual.d_dt, expected.d_dt), loose);
  EXPECT_LE(relative_error(actual.d_a_log, expected.d_a_log), loose);
  EXPECT_LE(relative_error(actual.d_bias, expected.d_bias), loose);
  EXPECT_LE(relative_error(actual.d_d, expected.d_d), tight);
  if (expected.test.states) {
    EXPECT_LE(relative_error(actual.d_initial, expected.d_initial), tight);
  }
}

// float against double: 1e-5 (2e-5 where sums over a row cancel).
void check(const Case& c, double tight = 1e-5, double loose = 2e-5) {
  Scan<double> expected(c), chunked(c);
  expected.recurrence();
  chunked.chunked(1);
  expect_close(chunked, expected, 1e-12, 1e-10);
  Scan<float> single(c), threaded(c);
  single.chunked(1);
  threaded.chunked(3);
  expect_close(single, expected, tight, loose);
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
