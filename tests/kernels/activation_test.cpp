// Vector code of activations and gates against the reference in double, for odd widths, strided
// rows and both storage types; and that the number of threads changes no bit.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/activation/activation.h"

#include <gtest/gtest.h>

#include <vector>

#include "kernels/activation/glu.h"
#include "tests/kernels/values.h"

namespace peryton::kernels {
namespace {

using test::expect_near;
using test::kRounding;
using test::kWidths;
using test::normals;
using test::widen;

template <class T>
struct Activated {
  std::vector<T> y, d_x;
};

template <class T, class Forward, class Backward>
Activated<T> activate(Activation kind, const std::vector<T>& x, const std::vector<T>& d_y,
                      std::int64_t rows, std::int64_t width, Forward forward, Backward backward,
                      int threads = 1) {
  Context context;
  context.threads = threads;
  const std::int64_t stride = static_cast<std::int64_t>(x.size()) / rows;
  Activated<T> out{std::vector<T>(x.size()), std::vector<T>(x.size())};
  forward(ActivationForwardArgs<T>{kind, out.y.data(), x.data(), rows, width, stride, stride},
          context);
  backward(ActivationBackwardArgs<T>{kind, out.d_x.data(), d_y.data(), x.data(), rows, width,
                                     stride, stride, stride},
           context);
  return out;
}

template <class T>
void compare_activation(Activation kind, std::int64_t width) {
  const std::int64_t rows = 5, stride = width + 3;
  const auto x = normals<T>(rows * stride, 1, 3), d_y = normals<T>(rows * stride, 2);
  const auto fast = activate<T>(kind, x, d_y, rows, width, cpu::activation_forward<T>,
                                cpu::activation_backward<T>);
  const auto exact = activate<double>(kind, widen(x), widen(d_y), rows, width,
                                      cpu::reference::activation_forward<double>,
                                      cpu::reference::activation_backward<double>);
  // Vector exponentials and the erfc fit are good to a few units of 6e-8 of values of order ten.
  expect_near(fast.y, exact.y, 2e-6, kRounding<T>, "y");
  expect_near(fast.d_x, exact.d_x, 4e-6, kRounding<T>, "d_x");
}

constexpr Activation kKinds[] = {Activation::kGeluErf, Activation::kGeluTanh, Activation::kSilu,
                                 Activation::kRelu,    Activation::kRelu2,    Activation::kSigmoid};

TEST(ActivationKernel, FastPathEqualsReference) {
  for (const Activation kind : kKinds) {
    for (const std::int64_t width : kWidths) {
      compare_activation<float>(kind, width);
      compare_activation<BFloat16>(kind, width);
    }
  }
}

template <class T>
struct Gated {
  std::vector<T> y, d_gate, d_value;
};

// gate and value are halves of rows of 2 width + 1 elements, as in a fused projection.
template <class T, class Forward, class Backward>
Gated<T> gate(Activation kind, const std::vector<T>& x, const std::vector<T>& d_y,
              std::int64_t rows, std::int64_t width, Forward forward, Backward backward) {
  const std::int64_t stride = 2 * width + 1;
  Gated<T> out{std::vector<T>(rows * width), std::vector<T>(rows * width),
               std::vector<T>(rows * width)};
  const T *g = x.data(), *v = x.data() + width;
  forward(GluForwardArgs<T>{kind, out.y.data(), g, v, rows, width, width, stride, stride},
          Context{});
  backward(GluBackwardArgs<T>{kind, out.d_gate.data(), out.d_value.data(), d_y.data(), g, v, rows,
                              width, width, width, width, stride, stride},
           Context{});
  return out;
}

template <class T>
void compare_glu(Activation kind, std::int64_t width) {
  const std::int64_t rows = 4;
  const auto x = normals<T>(rows * (2 * width + 1), 5, 2), d_y = normals<T>(rows * width, 6);
  const auto fast = gate<T>(kind, x, d_y, rows, width, cpu::glu_forward<T>, cpu::glu_backward<T>);
  const auto exact =
      gate<double>(kind, widen(x), widen(d_y), rows, width, cpu::reference::glu_forward<double>,
                   cpu::reference::glu_backward<double>);
  // As for the activation, times another value of order ten.
  expect_near(fast.y, exact.y, 1e-5, kRounding<T>, "y");
  expect_near(fast.d_gate, exact.d_gate, 2e-5, kRounding<T>, "d_gate");
  expect_near(fast.d_value, exact.d_value, 1e-5, kRounding<T>, "d_value");
}

TEST(GluKernel, FastPathEqualsReference) {
  for (const Activation kind : kKinds) {
    for (const std::int64_t width : kWidths) {
      compare_glu<float>(kind, width);
      compare_glu<BFloat16>(kind, width);
    }
  }
}

TEST(ActivationKernel, ExtremesAreFinite) {
  const std::vector<float> x{-1e4f, -200.0f, -30.0f, -0.0f, 30.0f, 200.0f, 1e4f}, ones(7, 1.0f);
  const auto limits = [](Activation kind) -> std::vector<double> {
    if (kind == Activation::kRelu2) return {0, 0, 0, 0, 900, 4e4, 1e8};
    if (kind == Activation::kSigmoid) return {0, 0, 0, 0.5, 1, 1, 1};
    return {0, 0, 0, 0, 30, 200, 1e4};
  };
  for (const Activation kind : kKinds) {
    const auto out = activate<float>(kind, x, ones, 1, 7, cpu::activation_forward<float>,
                                     cpu::activation_backward<float>);
    expect_near(out.y, limits(kind), 1e-10, 1e-6, "y");
    const double slope = kind == Activation::kRelu2 ? 2e4 : kind == Activation::kSigmoid ? 0 : 1;
    EXPECT_NEAR(out.d_x[0], 0, 1e-10);
    EXPECT_NEAR(out.d_x[6], slope, 1e-6);
  }
}

TEST(ActivationKernel, ThreadsChangeNoBit) {
  const auto x = normals<float>(300 * 100, 3), d_y = normals<float>(300 * 100, 4);
  const auto run = [&](int threads) {
    return activate<float>(Activation::kGeluErf, x, d_y, 300, 100, cpu::activation_forward<float>,
                           cpu::activation_backward<float>, threads);
  };
  EXPECT_EQ(run(1).y, run(3).y);
  EXPECT_EQ(run(1).d_x, run(4).d_x);
}

}  // namespace
}  // namespace peryton::kernels
