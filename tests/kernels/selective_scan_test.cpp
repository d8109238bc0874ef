// The vector scan against the plain recurrence in double; documents, states, threads, strides.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/selective_scan/selective_scan.h"
#include "tests/kernels/values.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace peryton::kernels {
namespace {

using test::normals;

struct Case {
  SelectiveScanShape shape;
  bool states = false;     // initial state, and a gradient of the final one
  bool documents = false;  // several documents per row, some of one token
};

std::vector<std::int32_t> document_starts(const SelectiveScanShape& s) {
  std::vector<std::int32_t> starts;
  for (std::int64_t b = 0; b < s.batch; ++b) {
    std::int64_t start = 0;
    for (std::int64_t t = 0; t < s.tokens; ++t) {
      if (t == 5 + b || t == 6 + b || t == 32 || (t > 20 && t % 23 == 0)) start = t;
      starts.push_back(static_cast<std::int32_t>(start));
    }
  }
  return starts;
}

// b and c are columns of one wider array, as in the model.
template <class T>
struct Scan {
  explicit Scan(const Case& c) : s(c.shape), test(c) {
    const std::int64_t tokens = s.batch * s.tokens, states = s.batch * s.state * s.channels;
    x = normals<T>(tokens * s.channels, 1);
    dt = normals<T>(tokens * s.channels, 2, 2);
    bc = normals<T>(tokens * stride(), 3);
    a_log = normals<T>(s.channels * s.state, 4);
    bias = normals<T>(s.channels, 5);
    d = normals<T>(s.channels, 6);
    d_y = normals<T>(tokens * s.channels, 7);
    initial = normals<T>(states, 8);
    d_final = normals<T>(states, 9);
    starts = document_starts(s);
  }
  std::int64_t stride() const { return 2 * s.state + 3; }

  void fill(SelectiveScanArgs<T>& args) const {
    args.shape = s;
    args.x = x.data();
    args.dt = dt.data();
    args.b = bc.data() + 2;
    args.c = args.b + s.state;
    args.x_strides = args.dt_strides = rows();
    args.b_strides = args.c_strides = {s.tokens * stride(), stride()};
    args.a_log = a_log.data();
    args.dt_bias = bias.data();
    args.d = d.data();
    args.initial_state = test.states ? initial.data() : nullptr;
    args.document_start = test.documents ? starts.data() : nullptr;
  }
  TokenStrides rows() const { return {s.tokens * s.channels, s.channels}; }

  void run(bool reference, int threads) {
    Context context;
    context.threads = threads;
    std::vector<T> chunk_states(s.batch * s.chunks() * s.state * s.channels);
    std::vector<T> workspace(selective_scan_forward_workspace(s, threads) +
                             selective_scan_backward_workspace(s, threads));
    SelectiveScanForwardArgs<T> forward{};
    fill(forward);
    y.resize(x.size());
    final_state.resize(initial.size());
    forward.y = y.data();
    forward.y_strides = rows();
    forward.final_state = final_state.data();
    forward.chunk_states = chunk_states.data();
    SelectiveScanBackwardArgs<T> backward{};
    fill(backward);
    set_gradients(backward);
    backward.chunk_states = chunk_states.data();
    if (reference) {
      cpu::reference::selective_scan_forward(forward, workspace.data());
      cpu::reference::selective_scan_backward(backward, workspace.data());
    } else {
      cpu::selective_scan_forward(forward, workspace.data(), context);
      cpu::selective_scan_backward(backward, workspace.data(), context);
    }
  }
  void set_gradients(SelectiveScanBackwardArgs<T>& args) {
    for (auto* rows_of : {&d_x, &d_dt}) rows_of->resize(x.size());
    d_bc.resize(bc.size());
    d_a_log.resize(a_log.size());
    d_bias.resize(bias.size());
    d_d.resize(d.size());
    d_initial.resize(initial.size());
    args.d_y = d_y.data();
    args.d_final_state = test.states ? d_final.data() : nullptr;
    args.d_x = d_x.data();
    args.d_dt = d_dt.data();
    args.d_b = d_bc.data() + 2;
    args.d_c = args.d_b + s.state;
    args.d_y_strides = args.d_x_strides = args.d_dt_strides = rows();
    args.d_b_strides = args.d_c_strides = {s.tokens * stride(), stride()};
    args.d_a_log = d_a_log.data();
    args.d_dt_bias = d_bias.data();
    args.d_d = d_d.data();
    args.d_initial_state = d_initial.data();
  }
  std::vector<const std::vector<T>*> results() const {
    return {&y, &final_state, &d_x, &d_dt, &d_bc, &d_a_log, &d_bias, &d_d, &d_initial};
  }

  SelectiveScanShape s;
  Case test;
  std::vector<T> x, dt, bc, a_log, bias, d, d_y, initial, d_final;
  std::vector<std::int32_t> starts;
  std::vector<T> y, final_state, d_x, d_dt, d_bc, d_a_log, d_bias, d_d, d_initial;
};

constexpr const char* kNames[] = {"y",       "final",  "d_x", "d_dt",     "d_bc",
                                  "d_a_log", "d_bias", "d_d", "d_initial"};

void compare(const Case& c) {
  Scan<float> fast(c), other(c);
  Scan<double> exact(c);
  fast.run(false, 1);
  other.run(false, 3);
  exact.run(true, 1);
  for (std::size_t k = 0; k < fast.results().size(); ++k) {
    const auto& got = *fast.results()[k];
    const auto& want = *exact.results()[k];
    EXPECT_EQ(got, *other.results()[k]) << kNames[k] << " with three threads";
    double largest = 0;
    for (const double value : want) largest = std::max(largest, std::abs(value));
    // A state is a decaying sum of terms of order ten, each good to a few units of 6e-8, and a
    // gradient sums such states over up to tokens x channels elements.
    for (std::size_t i = 0; i < got.size(); ++i) {
      ASSERT_NEAR(got[i], want[i], 2e-6 * (1 + largest)) << kNames[k] << " element " << i;
    }
  }
}

TEST(SelectiveScanKernel, VectorsEqualTheRecurrence) {
  compare({{.batch = 1, .tokens = 1, .channels = 1, .state = 1}});
  compare({{.batch = 2, .tokens = 40, .channels = 7, .state = 16}});
  compare({{.batch = 3, .tokens = 33, .channels = 70, .state = 5}});
  compare({{.batch = 1, .tokens = 96, .channels = 128, .state = 3}});
}

TEST(SelectiveScanKernel, StatesAndDocuments) {
  const SelectiveScanShape shape{.batch = 2, .tokens = 75, .channels = 67, .state = 4};
  compare({.shape = shape, .states = true});
  compare({.shape = shape, .documents = true});
  compare({.shape = shape, .states = true, .documents = true});
}

// The adjoint itself: the slope of a projection of y and the final state along random directions.
TEST(SelectiveScanKernel, ReferenceGradientAgainstFiniteDifferences) {
  const Case c{.shape = {.batch = 2, .tokens = 11, .channels = 3, .state = 4},
               .states = true,
               .documents = true};
  Scan<double> base(c);
  base.run(true, 1);
  const auto loss = [](const Scan<double>& scan) {
    double sum = 0;
    for (std::size_t i = 0; i < scan.y.size(); ++i) sum += scan.y[i] * scan.d_y[i];
    for (std::size_t i = 0; i < scan.initial.size(); ++i) {
      sum += scan.final_state[i] * scan.d_final[i];
    }
    return sum;
  };
  using Field = std::vector<double> Scan<double>::*;
  const std::pair<Field, Field> fields[] = {{&Scan<double>::x, &Scan<double>::d_x},
                                            {&Scan<double>::dt, &Scan<double>::d_dt},
                                            {&Scan<double>::bc, &Scan<double>::d_bc},
                                            {&Scan<double>::a_log, &Scan<double>::d_a_log},
                                            {&Scan<double>::bias, &Scan<double>::d_bias},
                                            {&Scan<double>::d, &Scan<double>::d_d},
                                            {&Scan<double>::initial, &Scan<double>::d_initial}};
  for (const auto& [value, gradient] : fields) {
    const auto direction = normals<double>(static_cast<std::int64_t>((base.*value).size()), 20);
    double want = 0, both[2];
    for (std::size_t i = 0; i < direction.size(); ++i) want += direction[i] * (base.*gradient)[i];
    constexpr double kStep = 1e-6;
    for (int side = 0; side < 2; ++side) {
      Scan<double> moved(c);
      for (std::size_t i = 0; i < direction.size(); ++i) {
        (moved.*value)[i] += (side == 0 ? -kStep : kStep) * direction[i];
      }
      moved.run(true, 1);
      both[side] = loss(moved);
    }
    // Central differences: 1e-12 f''' of a sum of order 1e3, and 1e-16 of it / 1e-6.
    EXPECT_NEAR((both[1] - both[0]) / (2 * kStep), want, 1e-5 * (1 + std::abs(want)));
  }
}

TEST(SelectiveScanKernel, ExtremeTimeStepsStayFinite) {
  const Case c{{.batch = 1, .tokens = 9, .channels = 16, .state = 2}};
  Scan<float> scan(c);
  for (std::size_t i = 0; i < scan.dt.size(); ++i) scan.dt[i] = i % 2 == 0 ? 300.0f : -300.0f;
  scan.run(false, 1);
  for (const auto* values : scan.results()) {
    for (const float value : *values) ASSERT_TRUE(std::isfinite(value));
  }
}

}  // namespace
}  // namespace peryton::kernels
