// A scan of random numbers, forward and backward, by the recurrence or by chunks; for tests.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <type_traits>
#include <vector>

#include "kernels/ssd/ssd.h"
#include "kernels/ssd/ssd_pairs.h"

namespace peryton::kernels::test {

struct SsdCase {
  SsdShape shape;
  std::int64_t chunk = 16;
  double a_low = 1, a_high = 16;            // range of A = exp(a_log)
  double step_low = 1e-3, step_high = 0.1;  // range of Delta before the limits
  double dt_min = 0, dt_max = std::numeric_limits<double>::infinity();
  bool states = false;     // initial state, and a gradient of the final one
  bool documents = false;  // several documents per row, some of one token
};

inline std::vector<std::int32_t> document_starts(const SsdCase& c) {
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
struct SsdScan {
  explicit SsdScan(const SsdCase& c) : test(c), width(c.shape.heads * c.shape.head_dim) {
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

  // With products of these bfloat16 pairs, or as the context asks.
  void chunked(int threads, const cpu::PairTiles* pairs = nullptr, bool bf16_dots = false) {
    constexpr T poison = std::numeric_limits<T>::quiet_NaN();
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
    const Context context{.device = {}, .threads = threads, .bf16_dots = bf16_dots};
    SsdForwardArgs<T> forward = forward_args();
    forward.chunk_states = states.data();
    const auto run = [&](auto plain, auto paired, const auto& args) {
      if constexpr (std::is_same_v<T, float>) {
        if (pairs != nullptr) {
          return paired(*pairs, args, table, test.chunk, workspace.data(), context);
        }
      }
      plain(args, table, test.chunk, workspace.data(), context);
    };
    run(cpu::ssd_forward<T>, cpu::ssd_forward_pairs, forward);
    std::fill(workspace.begin(), workspace.end(), poison);
    SsdBackwardArgs<T> backward = backward_args();
    backward.chunk_states = states.data();
    run(cpu::ssd_backward<T>, cpu::ssd_backward_pairs, backward);
  }

  SsdCase test;
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

// All but d_d; `loose` is for the gradients of the decay.
template <class T>
void expect_close(const SsdScan<T>& actual, const SsdScan<double>& expected, double tight,
                  double loose) {
  EXPECT_LE(relative_error(actual.y, expected.y), tight);
  EXPECT_LE(relative_error(actual.final_state, expected.final_state), tight);
  EXPECT_LE(relative_error(actual.d_xbc, expected.d_xbc), tight);
  EXPECT_LE(relative_error(actual.d_dt, expected.d_dt), loose);
  EXPECT_LE(relative_error(actual.d_a_log, expected.d_a_log), loose);
  EXPECT_LE(relative_error(actual.d_bias, expected.d_bias), loose);
  if (expected.test.states) {
    EXPECT_LE(relative_error(actual.d_initial, expected.d_initial), tight);
  }
}

}  // namespace peryton::kernels::test
