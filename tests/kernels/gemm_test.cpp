// SPDX-License-Identifier: Apache-2.0
#include "kernels/gemm/gemm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "kernels/common/dtype.h"
#include "kernels/gemm/gemm_dots.h"
#include "kernels/gemm/pack_pairs.h"
#include "kernels/gemm/round_rows.h"

namespace peryton::kernels {
namespace {

struct Case {
  std::int64_t m, n, k;
  bool transpose_a, transpose_b;
  float alpha = 1, beta = 0;
  bool bias = false;
};

template <class T>
std::vector<T> random_values(std::int64_t count, std::mt19937& random) {
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<T> values(static_cast<std::size_t>(count));
  for (T& value : values) value = T(uniform(random));
  return values;
}

// Matrices with rows longer than the part that is used.
template <class T, class A, class B>
struct Problem {
  Case c;
  std::int64_t lda, ldb, ldc;
  std::vector<A> a;
  std::vector<B> b;
  std::vector<T> start, bias;

  Problem(const Case& shape, unsigned seed) : c(shape) {
    std::mt19937 random(seed);
    lda = (c.transpose_a ? c.m : c.k) + 3;
    ldb = (c.transpose_b ? c.k : c.n) + 5;
    ldc = c.n + 7;
    a = random_values<A>((c.transpose_a ? c.k : c.m) * lda, random);
    b = random_values<B>((c.transpose_b ? c.n : c.k) * ldb, random);
    start = random_values<T>(c.m * ldc, random);
    bias = random_values<T>(c.n, random);
  }

  // `kernels`: rounds A and B to bfloat16 and multiplies on these.
  std::vector<T> run(int threads, const cpu::PairKernels* kernels = nullptr) const {
    std::vector<T> result = start;
    if (c.beta == 0) {  // must not be read
      for (std::int64_t i = 0; i < c.m; ++i) {
        std::fill_n(result.data() + i * ldc, c.n, std::nanf(""));
      }
    }
    std::int64_t needed = gemm_workspace<T, A, B>(c.m, c.n, c.k, threads);
    if constexpr (std::is_same_v<T, float>) {
      if (kernels != nullptr) needed = gemm_workspace<float, A, BFloat16>(c.m, c.n, c.k, threads);
    }
    std::vector<T> workspace(static_cast<std::size_t>(needed) + 1);
    const GemmArgs<T, A, B> args{.transpose_a = c.transpose_a,
                                 .transpose_b = c.transpose_b,
                                 .m = c.m,
                                 .n = c.n,
                                 .k = c.k,
                                 .alpha = c.alpha,
                                 .a = a.data(),
                                 .lda = lda,
                                 .b = b.data(),
                                 .ldb = ldb,
                                 .beta = c.beta,
                                 .c = result.data(),
                                 .ldc = ldc,
                                 .bias = c.bias ? bias.data() : nullptr,
                                 .workspace = workspace.data()};
    const Context context{.threads = threads};
    if constexpr (std::is_same_v<T, float>) {
      if (kernels != nullptr) {
        cpu::gemm_dots(*kernels, args, context);
        return result;
      }
    }
    cpu::gemm(args, context);
    return result;
  }

  double expected(std::int64_t i, std::int64_t j, bool rounded) const {
    const auto factor = [rounded](auto element) {
      return rounded ? static_cast<double>(BFloat16(static_cast<float>(element)))
                     : static_cast<double>(element);
    };
    double sum = 0;
    for (std::int64_t p = 0; p < c.k; ++p) {
      sum += factor(c.transpose_a ? a[p * lda + i] : a[i * lda + p]) *
             factor(c.transpose_b ? b[j * ldb + p] : b[p * ldb + j]);
    }
    return c.alpha * sum + c.beta * static_cast<double>(start[i * ldc + j]) +
           (c.bias ? static_cast<double>(bias[j]) : 0.0);
  }
};

template <class T, class A, class B>
void check(const Case& c, unsigned seed, const cpu::PairKernels* kernels = nullptr) {
  SCOPED_TRACE(testing::Message() << c.m << "x" << c.n << "x" << c.k << " seed " << seed);
  const Problem<T, A, B> problem(c, seed);
  const std::vector<T> got = problem.run(1, kernels);
  const double unit = sizeof(T) == 8 ? 1e-15 : 6e-8;
  const double bound = unit * (static_cast<double>(c.k) + 8) * (std::abs(c.alpha) + 1);
  for (std::int64_t i = 0; i < c.m; ++i) {
    for (std::int64_t j = 0; j < problem.ldc; ++j) {
      const double value = got[i * problem.ldc + j];
      const double want =
          j < c.n ? problem.expected(i, j, kernels != nullptr) : problem.start[i * problem.ldc + j];
      ASSERT_NEAR(value, want, j < c.n ? bound : 0) << i << ", " << j;
    }
  }
  EXPECT_EQ(got, problem.run(3, kernels));
}

// Around the sizes of panels, blocks, slabs and depths.
const Case kCases[] = {
    {1, 1, 1, false, false},
    {3, 70, 40, false, true, 1, 0, true},
    {7, 131, 603, false, true, -2, 0.5f, true},
    {8, 16, 7, true, false, 0.5f},
    {97, 33, 257, false, true, 1, 0, true},
    {96, 1025, 31, false, false, 1, 1},
    {13, 50, 600, true, true, -2, 0.5f, true},
    {200, 17, 256, true, false, 1, 1},
    {9, 4130, 20, false, true},
    {150, 40, 1021, false, true},  // rows of A 4 KiB apart
    {26, 70, 1101, false, false, 1, 1},
    {11, 5, 0, false, false, 1, 2, true},
};

TEST(Gemm, EqualsTheSumsInDoubleAndDoesNotDependOnThreads) {
  unsigned seed = 20;
  for (const Case& c : kCases) {
    check<float, float, float>(c, ++seed);
    check<float, float, BFloat16>(c, ++seed);
    check<float, BFloat16, float>(c, ++seed);
    check<float, BFloat16, BFloat16>(c, ++seed);
    check<double, double, double>(c, ++seed);
  }
}

// Where the processor has no dot products the panels and the definition are tested.
TEST(Gemm, DotProductsEqualTheSumsOfRoundedElements) {
  unsigned seed = 90;
  for (const cpu::PairKernels* kernels : cpu::available_pair_kernels()) {
    if (kernels == nullptr) continue;
    SCOPED_TRACE(kernels->name);
    for (const Case& c : kCases) {
      check<float, float, float>(c, ++seed, kernels);
      check<float, float, BFloat16>(c, ++seed, kernels);
      check<float, BFloat16, float>(c, ++seed, kernels);
      check<float, BFloat16, BFloat16>(c, ++seed, kernels);
    }
  }
}

// NaN, whatever its lower half, infinities, the largest floats, ties, subnormal numbers.
TEST(PackPairs, RoundsAsBFloat16Does) {
  const std::uint32_t special[] = {0x7fffffff, 0xffffffff, 0x7f800001, 0x7f800000, 0xff800000,
                                   0x7f7fffff, 0x3f808000, 0x3f818000, 0x00000001, 0x807fffff};
  constexpr std::int64_t kLines = 16, kDepth = 37;
  std::vector<float> values(kLines * kDepth);
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::memcpy(&values[i], &special[i * 7 % std::size(special)], sizeof(float));
  }
  const auto bits = [&](std::int64_t line, std::int64_t p, bool adjacent) -> int {
    if (p == kDepth) return 0;
    return BFloat16(values[adjacent ? p * kLines + line : line * kDepth + p]).bits;
  };
  for (const bool adjacent : {false, true}) {
    std::vector<std::uint16_t> panel(kLines * (kDepth + 1));
    const std::int64_t line_stride = adjacent ? 1 : kDepth, depth_stride = adjacent ? kLines : 1;
    cpu::pack_pairs({values.data(), line_stride, depth_stride}, kLines, kDepth, kLines,
                    panel.data());
    for (std::int64_t p = 0; p <= kDepth; ++p) {
      for (std::int64_t line = 0; line < kLines; ++line) {
        ASSERT_EQ(panel[(p / 2 * kLines + line) * 2 + p % 2], bits(line, p, adjacent))
            << adjacent << ", line " << line << ", depth " << p;
      }
    }
  }
}

// Row-major A and panels of B that are deeper than the product: the same bits as panels of all.
TEST(PairKernels, ReadRowsWhereTheyLie) {
  constexpr std::int64_t kM = 17, kN = 45, kK = 75, kDeep = 90, kPadded = 24, kColumns = 64;
  std::mt19937 random(31);
  std::normal_distribution<float> normal;
  std::vector<float> a(kM * kK), b(kDeep * kN);
  for (float& value : a) value = normal(random);
  for (float& value : b) value = normal(random);
  std::vector<std::uint16_t> rows(kPadded * (kK + 1)), left(rows.size());
  cpu::round_rows(a.data(), kK, kM, kK, rows.data(), kK + 1);
  cpu::pack_pairs({a.data(), kK, 1}, kM, kK, 12, left.data());
  std::vector<std::uint16_t> right(kColumns * (kK + 1)), deep(kColumns * kDeep);
  cpu::pack_pairs({b.data(), 1, kN}, kN, kK, 32, right.data());
  cpu::pack_pairs({b.data(), 1, kN}, kN, kDeep, 32, deep.data());
  for (const cpu::PairKernels* kernels : cpu::available_pair_kernels()) {
    if (kernels == nullptr) continue;
    SCOPED_TRACE(kernels->name);
    std::vector<float> packed(kM * kN), in_place(kM * kN), of_deep(kM * kN);
    cpu::PairProduct product{.a = left.data(),
                             .a_stride = 0,
                             .b = right.data(),
                             .m = kM,
                             .n = kN,
                             .k = kK,
                             .alpha = 1,
                             .beta = 0,
                             .bias = nullptr,
                             .c = packed.data(),
                             .ldc = kN};
    kernels->multiply(product);
    product.a = rows.data();
    product.a_stride = kK + 1;
    product.c = in_place.data();
    kernels->multiply(product);
    EXPECT_EQ(packed, in_place);
    product.b = deep.data();
    product.b_depth = kDeep;
    product.k = kK - 1;  // the last depth of an odd number would meet the next one of B
    product.c = of_deep.data();
    kernels->multiply(product);
    for (std::int64_t i = 0; i < kM * kN; ++i) {
      const float last = static_cast<float>(BFloat16(a[i / kN * kK + kK - 1])) *
                         static_cast<float>(BFloat16(b[(kK - 1) * kN + i % kN]));
      ASSERT_NEAR(of_deep[i] + last, packed[i], 1e-5) << i;
    }
  }
}

}  // namespace
}  // namespace peryton::kernels
