// The fast recurrence against the plain loops in double: chunks, documents, carried states, both
// storage types, any number of threads.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/mlgru/mlgru.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

namespace peryton::kernels {
namespace {

constexpr std::uint32_t kSeed = 17;

struct Case {
  std::int64_t batch, tokens, channels, chunk;
  bool documents = false, carried = false;
  double gate_scale = 1;  // large: forget gates near 0 and 1
};

// Inputs and results of one run in storage type T; strides leave holes between tokens.
template <class T>
struct Trial {
  using F = compute_t<T>;
  Case c;
  std::vector<T> u, v, h, d_h, d_u, d_v;
  std::vector<F> bound, initial, final, d_final, d_bound, d_initial, workspace;
  std::vector<std::int32_t> start;

  explicit Trial(const Case& with) : c(with) {
    std::mt19937 engine(kSeed);
    std::normal_distribution<double> normal;
    const auto count = static_cast<std::size_t>(c.batch * c.tokens * stride());
    const auto states = static_cast<std::size_t>(c.batch * c.channels);
    const auto noise = [&](auto& values, std::size_t size, double scale) {
      values.resize(size);
      for (auto& value : values) {
        // Exact in bfloat16, so that every storage type starts from the same numbers.
        const float rounded = BFloat16(static_cast<float>(scale * normal(engine)));
        value = static_cast<std::decay_t<decltype(value)>>(rounded);
      }
    };
    noise(u, count, c.gate_scale);
    noise(v, count, 1);
    noise(d_h, count, 1);
    noise(initial, states, 1);
    noise(d_final, states, 1);
    noise(bound, static_cast<std::size_t>(c.channels), 1);
    for (F& value : bound) value = 1 / (1 + std::exp(-value));
    for (auto* out : {&h, &d_u, &d_v}) out->resize(count);
    for (auto* out : {&final, &d_initial}) out->resize(states);
    d_bound.resize(static_cast<std::size_t>(c.channels));
    start.resize(static_cast<std::size_t>(c.batch * c.tokens));
    for (std::int64_t b = 0; b < c.batch; ++b) {
      std::int32_t begin = 0;
      for (std::int64_t t = 0; t < c.tokens; ++t) {
        if ((t + b) % 13 == 12 || (t + b) % 29 == 0) begin = static_cast<std::int32_t>(t);
        start[static_cast<std::size_t>(b * c.tokens + t)] = begin;
      }
    }
  }
  std::int64_t stride() const { return c.channels + 3; }
  TokenStrides strides() const { return {c.tokens * stride(), stride()}; }

  void fill(MlgruArgs<T>& args) const {
    args.batch = c.batch;
    args.tokens = c.tokens;
    args.channels = c.channels;
    args.chunk = c.chunk;
    args.u = u.data();
    args.v = v.data();
    args.u_strides = args.v_strides = strides();
    args.bound = bound.data();
    args.document_start = c.documents ? start.data() : nullptr;
    args.initial_state = c.carried ? initial.data() : nullptr;
  }
  MlgruForwardArgs<T> forward() {
    MlgruForwardArgs<T> args{};
    fill(args);
    args.h = h.data();
    args.h_strides = strides();
    args.final_state = final.data();
    workspace.assign(
        static_cast<std::size_t>(mlgru_backward_workspace(c.batch, args.chunks(), c.channels)),
        std::nan(""));
    args.workspace = workspace.data();
    return args;
  }
  MlgruBackwardArgs<T> backward() {
    MlgruBackwardArgs<T> args{};
    fill(args);
    args.h = h.data();
    args.d_h = d_h.data();
    args.d_u = d_u.data();
    args.d_v = d_v.data();
    args.h_strides = args.d_h_strides = args.d_u_strides = args.d_v_strides = strides();
    args.d_final_state = c.carried ? d_final.data() : nullptr;
    args.d_bound = d_bound.data();
    args.d_initial_state = c.carried ? d_initial.data() : nullptr;
    args.workspace = workspace.data();
    return args;
  }
  void run_fast(int threads) {
    const Context context{.device = {}, .threads = threads};
    cpu::mlgru(forward(), context);
    cpu::mlgru_backward(backward(), context);
  }
  void run_reference() {
    cpu::reference::mlgru(forward());
    cpu::reference::mlgru_backward(backward());
  }
};

template <class A, class B>
void expect_near(const std::vector<A>& got, const std::vector<B>& want, double tolerance,
                 const char* what) {
  ASSERT_EQ(got.size(), want.size());
  double largest = 1;
  for (const auto& value : want) largest = std::max(largest, std::fabs(static_cast<double>(value)));
  for (std::size_t i = 0; i < got.size(); ++i) {
    ASSERT_NEAR(static_cast<double>(got[i]), static_cast<double>(want[i]), tolerance * largest)
        << what << " at " << i << ", seed " << kSeed;
  }
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

template <class T>
void expect_same_bits(const Trial<T>& a, const Trial<T>& b) {
  EXPECT_TRUE(same_bits(a.h, b.h) && same_bits(a.final, b.final));
  EXPECT_TRUE(same_bits(a.d_u, b.d_u) && same_bits(a.d_v, b.d_v));
  EXPECT_TRUE(same_bits(a.d_bound, b.d_bound) && same_bits(a.d_initial, b.d_initial));
}

void check(const Case& c) {
  SCOPED_TRACE(testing::Message() << "B=" << c.batch << " T=" << c.tokens << " d=" << c.channels
                                  << " chunk " << c.chunk << (c.documents ? " documents" : "")
                                  << (c.carried ? " carried" : "") << " gates " << c.gate_scale);
  Trial<double> exact(c);
  exact.run_reference();
  Trial<float> one(c), three(c);
  one.run_fast(1);
  three.run_fast(3);
  // A state forgets by its gates, so errors of single steps (about 4 roundings of 6e-8) add up over
  // its memory only; gates near 1 remember longest.
  const double tolerance = c.gate_scale > 1 ? 1e-5 : 3e-6;
  expect_near(one.h, exact.h, tolerance, "h");
  expect_near(one.final, exact.final, tolerance, "final state");
  expect_near(one.d_u, exact.d_u, tolerance, "d_u");
  expect_near(one.d_v, exact.d_v, tolerance, "d_v");
  expect_near(one.d_bound, exact.d_bound, tolerance, "d_bound");
  if (c.carried) expect_near(one.d_initial, exact.d_initial, tolerance, "d_initial");
  expect_same_bits(one, three);
}

TEST(Mlgru, FastPathAgreesWithReference) {
  for (const std::int64_t tokens : {1, 63, 64, 65, 300}) {
    for (const std::int64_t chunk : {std::int64_t{1}, std::int64_t{16}, std::int64_t{64}, tokens}) {
      check({2, tokens, 5, chunk, /*documents=*/true, /*carried=*/true});
      check({1, tokens, 70, chunk, /*documents=*/false, /*carried=*/true});
      check({2, tokens, 9, chunk, /*documents=*/true, /*carried=*/false});
      check({1, tokens, 64, chunk, /*documents=*/false, /*carried=*/false, /*gate_scale=*/20});
    }
  }
}

// Storage in bfloat16, arithmetic in float: only h as the backward pass reads it is rounded.
TEST(Mlgru, BFloat16StorageComputesInFloat) {
  const Case c{2, 90, 37, 32, true, true};
  Trial<float> wide(c);
  wide.run_fast(1);
  Trial<BFloat16> narrow(c), again(c);
  narrow.run_fast(1);
  again.run_fast(3);
  expect_same_bits(narrow, again);
  EXPECT_TRUE(same_bits(narrow.final, wide.final)) << "the state itself is not rounded";
  const double half_step = std::ldexp(1.0, -8);
  expect_near(narrow.h, wide.h, half_step, "h");
  expect_near(narrow.d_v, wide.d_v, half_step, "d_v");
  expect_near(narrow.d_u, wide.d_u, 2 * half_step, "d_u");
}

// One chain: prefill in pieces and step by step gives the very same states.
TEST(Mlgru, PiecesOfAChainGiveTheSameBits) {
  const Case c{2, 70, 33, 70, false, true};
  Trial<float> whole(c), pieces(c);
  cpu::mlgru(whole.forward(), Context{});
  std::vector<float> state = pieces.initial;
  std::int64_t begin = 0;
  for (const std::int64_t length : {1, 1, 30, 7, 1, 30}) {
    MlgruForwardArgs<float> args = pieces.forward();
    args.tokens = args.chunk = length;
    args.u += begin * pieces.stride();
    args.v += begin * pieces.stride();
    args.h += begin * pieces.stride();
    args.initial_state = state.data();
    args.final_state = state.data();  // in place, as generation does
    cpu::mlgru(args, Context{});
    begin += length;
  }
  ASSERT_EQ(begin, c.tokens);
  EXPECT_TRUE(same_bits(whole.h, pieces.h));
  EXPECT_TRUE(same_bits(whole.final, state));
}

TEST(Mlgru, WrongChunkIsReported) {
  Trial<float> run({1, 4, 4, 4});
  MlgruForwardArgs<float> args = run.forward();
  args.chunk = 0;
  EXPECT_THROW(cpu::mlgru(args, Context{}), ArgumentError);
}

}  // namespace
}  // namespace peryton::kernels
