// Integer products are exact on every path, also where 16-bit lanes would overflow if they were
// filled further; floats are the same bits.
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "framework/core/rng.h"
#include "kernels/ternary_gemm/dispatch.h"

namespace peryton::kernels {
namespace {

struct Problem {
  TernaryShape shape;
  std::int64_t tokens;
  std::vector<std::uint8_t> packed;
  std::vector<std::int8_t> q;
  std::vector<std::int32_t> sums;
  std::vector<float> scales;

  // weight(i, j) in {-1, 0, 1} and activation(t, j) in [-127, 127].
  template <class Weight, class Activation>
  Problem(const TernaryShape& of, std::int64_t token_count, Weight weight, Activation activation)
      : shape(of), tokens(token_count) {
    std::vector<std::int8_t> values;
    for (std::int64_t i = 0; i < shape.rows; ++i) {
      for (std::int64_t j = 0; j < shape.columns; ++j) {
        values.push_back(static_cast<std::int8_t>(weight(i, j)));
      }
    }
    packed.resize(static_cast<std::size_t>(shape.bytes()));
    cpu::ternary_pack(packed.data(), values.data(), shape);
    for (std::int64_t t = 0; t < tokens; ++t) {
      std::int32_t sum = 0;
      for (std::int64_t j = 0; j < shape.padded_columns(); ++j) {
        q.push_back(static_cast<std::int8_t>(j < shape.columns ? activation(t, j) : 0));
        sum += q.back();
      }
      sums.push_back(sum);
      scales.push_back(0.013f * static_cast<float>(t + 1));
    }
  }
  template <class T>
  TernaryGemmArgs<T> args(std::vector<T>& output) const {
    output.assign(static_cast<std::size_t>(tokens * (shape.rows + 1)), T{});
    return {.output = output.data(),
            .packed = packed.data(),
            .shape = shape,
            .q = q.data(),
            .sums = sums.data(),
            .scales = scales.data(),
            .beta = 0.37f,
            .tokens = tokens,
            .output_stride = shape.rows + 1,
            .q_stride = shape.padded_columns()};
  }
  // With it the product of many tokens may go by tables or permutes.
  template <class T>
  TernaryGemmArgs<T> with_workspace(TernaryGemmArgs<T> args, const ternary::Kernels& on) const {
    static std::vector<std::uint8_t> bytes;
    bytes.resize(static_cast<std::size_t>(ternary::workspace_bytes(on, shape, tokens)) + 64);
    const auto address = reinterpret_cast<std::uintptr_t>(bytes.data());
    args.workspace = bytes.data() + (64 - address % 64) % 64;
    return args;
  }
};

template <class T>
std::vector<T> defined(const Problem& problem) {
  std::vector<T> output;
  cpu::reference::ternary_gemm<T>(problem.args(output), {});
  return output;
}

template <class T>
std::vector<T> on(const ternary::Kernels& kernels, const Problem& problem, int threads = 1) {
  std::vector<T> output;
  ternary::gemm_on<T>(kernels, problem.with_workspace(problem.args(output), kernels),
                      {.device = {}, .threads = threads});
  return output;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

void expect_exact(const Problem& problem, const char* what) {
  const auto integers = defined<std::int32_t>(problem);
  std::vector<float> floats(integers.size());
  for (std::int64_t t = 0; t < problem.tokens; ++t) {
    for (std::int64_t i = 0; i < problem.shape.rows; ++i) {
      const std::int64_t at = t * (problem.shape.rows + 1) + i;
      floats[at] = static_cast<float>(integers[at]) * problem.scales[t] * 0.37f;
    }
  }
  for (const ternary::Kernels* kernels : ternary::available_kernels()) {
    if (kernels == nullptr) continue;
    ASSERT_EQ(on<std::int32_t>(*kernels, problem), integers)
        << what << ": " << kernels->name << ", " << problem.shape.rows << " x "
        << problem.shape.columns << ", " << problem.tokens << " tokens";
    ASSERT_TRUE(same_bits(on<float>(*kernels, problem, 3), floats)) << what << kernels->name;
  }
}

Problem random_problem(const TernaryShape& shape, std::int64_t tokens, std::uint64_t seed) {
  const Rng rng(seed, RandomPurpose::kTest), other(seed, RandomPurpose::kTest, 1);
  std::uint64_t w = 0, a = 0;
  return {
      shape, tokens,
      [&](std::int64_t, std::int64_t) { return static_cast<int>(rng.below(w++, 3)) - 1; },
      [&](std::int64_t, std::int64_t) { return static_cast<int>(other.below(a++, 255)) - 127; }};
}

TEST(TernaryGemm, ExactForEveryShape) {
  for (const std::int64_t columns : {1, 63, 64, 255, 256, 257, 1024, 2560}) {
    for (const std::int64_t rows : {1, 7, 8, 9, 40}) {
      for (const std::int64_t tokens : {1, 2, 8}) {
        expect_exact(random_problem({rows, columns}, tokens, 1), "random");
      }
    }
  }
  for (const std::int64_t tokens : {65, 99}) {
    expect_exact(random_problem({33, 2100}, tokens, 2), "random");
  }
  // Tables and permutes: several blocks of tokens and of rows, and rests of both.
  expect_exact(random_problem({1029, 257}, 71, 2), "random");
  expect_exact(random_problem({2190, 300}, 77, 2), "random");
  for (const std::int64_t columns : {6912, 13824, 131072}) {
    for (const std::int64_t tokens : {1, 3}) {
      expect_exact(random_problem({8, columns}, tokens, 3), "random");
    }
  }
}

TEST(TernaryGemm, ExactOnTheLargestSums) {
  const auto always = [](int value) {
    return [value](std::int64_t, std::int64_t) { return value; };
  };
  const auto alternating = [](std::int64_t i, std::int64_t j) { return (i + j) % 2 != 0 ? 1 : -1; };
  for (const std::int64_t columns : {64 * 32, 64 * 32 + 32, 2560, 13824}) {
    for (const std::int64_t tokens : {1, 5}) {
      const TernaryShape shape{9, columns};
      expect_exact({shape, tokens, always(1), always(127)}, "all +1 on 127");
      expect_exact({shape, tokens, always(-1), always(-127)}, "all -1 on -127");
      expect_exact({shape, tokens, always(1), always(-127)}, "all +1 on -127");
      expect_exact({shape, tokens, alternating,
                    [&](std::int64_t t, std::int64_t j) { return 127 * alternating(t, j); }},
                   "alternating");
      expect_exact({shape, tokens,
                    [&](std::int64_t i, std::int64_t j) { return j == columns - 1 - i ? 1 : 0; },
                    [](std::int64_t t, std::int64_t j) { return (t + j) % 255 - 127; }},
                   "one non-zero a row");
      expect_exact({shape, tokens, alternating, always(0)}, "zero rows");
    }
  }
  expect_exact({{1, 131072}, 2, always(1), always(127)}, "all +1 on 127");
  expect_exact({{1, 131072}, 1, always(-1), always(127)}, "all -1 on 127");
  expect_exact({{512, 513}, 64, always(1), always(127)}, "tables, all +1");
  expect_exact({{512, 256}, 64, always(-1), always(127)}, "tables, all -1");
  const Problem whole({1, 2560}, 1, always(1), always(127));
  EXPECT_EQ(defined<std::int32_t>(whole)[0], 325120);
}

TEST(TernaryGemm, BFloat16IsTheFloatRoundedOnce) {
  const Problem problem = random_problem({40, 300}, 5, 4);
  const auto floats = defined<float>(problem);
  for (const ternary::Kernels* kernels : ternary::available_kernels()) {
    if (kernels == nullptr) continue;
    const auto narrow = on<BFloat16>(*kernels, problem);
    for (std::size_t i = 0; i < floats.size(); ++i) {
      ASSERT_EQ(narrow[i].bits, BFloat16(floats[i]).bits) << kernels->name;
    }
  }
}

TEST(TernaryGemm, RefusesWhatItCannotSumExactly) {
  Problem problem = random_problem({1, 256}, 1, 5);
  std::vector<float> output;
  auto args = problem.args(output);
  args.q_stride = 255;
  EXPECT_THROW(cpu::ternary_gemm<float>(args, {}), ArgumentError);
  args.shape.columns = args.q_stride = kTernaryMaxColumns + 1;
  EXPECT_THROW(cpu::ternary_gemm<float>(args, {}), ArgumentError);
}

TEST(TernaryTransposed, EqualsTheDenseProduct) {
  for (const TernaryShape& shape : {TernaryShape{5, 3}, TernaryShape{300, 700}}) {
    for (const std::int64_t tokens : {1, 270}) {
      const Problem problem = random_problem(shape, tokens, 6);
      const Rng rng(7, RandomPurpose::kTest);
      std::vector<float> d_y(static_cast<std::size_t>(tokens * shape.rows));
      std::uint64_t index = 0;
      for (float& value : d_y) value = static_cast<float>(rng.normal(index++));
      std::vector<std::int8_t> values(static_cast<std::size_t>(shape.rows * shape.columns));
      cpu::ternary_unpack(values.data(), problem.packed.data(), shape);
      const auto run = [&](int threads) {
        const Context context{.device = {}, .threads = threads};
        std::vector<float> d_z(static_cast<std::size_t>(tokens * shape.columns));
        std::vector<float> workspace(
            static_cast<std::size_t>(ternary_transposed_workspace(shape, tokens, context)));
        cpu::ternary_transposed_product({.output = d_z.data(),
                                         .d_output = d_y.data(),
                                         .packed = problem.packed.data(),
                                         .shape = shape,
                                         .beta = 0.5f,
                                         .workspace = workspace.data(),
                                         .tokens = tokens,
                                         .output_stride = shape.columns,
                                         .d_output_stride = shape.rows},
                                        context);
        return d_z;
      };
      const auto d_z = run(1);
      EXPECT_TRUE(same_bits(d_z, run(3)));
      for (std::int64_t t = 0; t < tokens; t += 13) {
        for (std::int64_t j = 0; j < shape.columns; j += 7) {
          double exact = 0;
          for (std::int64_t i = 0; i < shape.rows; ++i) {
            exact += 0.5 * d_y[t * shape.rows + i] * values[i * shape.columns + j];
          }
          // Sums of 300 terms of order one in float.
          ASSERT_NEAR(d_z[t * shape.columns + j], exact, 1e-4) << t << ' ' << j;
        }
      }
    }
  }
}

}  // namespace
}  // namespace peryton::kernels
