// SPDX-License-Identifier: Apache-2.0
#include "framework/optim/adamw.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "framework/core/rng.h"
#include "framework/optim/exponentiated_gradient.h"
#include "framework/optim/gradient_norm.h"

namespace peryton {
namespace {

ParameterPtr make(const std::string& name, const Shape& shape, const std::string& group,
                  DType dtype = DType::kFloat32, bool decays = true) {
  auto parameter = std::make_shared<Parameter>();
  parameter->name = name;
  parameter->group = group;
  parameter->trainable = true;
  parameter->decays = decays;
  parameter->value = Tensor::full(dtype, shape, 0.5);
  return parameter;
}

void fill_normal(const Tensor& tensor, std::uint64_t stream) {
  const Rng rng(3, RandomPurpose::kTest, stream);
  for (std::int64_t i = 0; i < tensor.elements(); ++i) {
    const double value = rng.normal(static_cast<std::uint64_t>(i));
    if (tensor.dtype() == DType::kFloat64) {
      tensor.data<double>()[i] = value;
    } else {
      tensor.data<float>()[i] = static_cast<float>(value);
    }
  }
}

void set(const Tensor& tensor, const nlohmann::json& values) {
  ASSERT_EQ(tensor.elements(), static_cast<std::int64_t>(values.size()));
  tensor.copy_from(Tensor::from_values<double>(tensor.shape(), values.get<std::vector<double>>()));
}

// Relative to 1, the size of the weights. float64: 6 steps of about ten operations each. float32:
// torch and we round in different order; the step itself has 24 bits and there are 6 of them.
void compare_with_torch(DType dtype, double tolerance) {
  const auto golden =
      nlohmann::json::parse(std::ifstream(std::string(PERYTON_GOLDEN_DIR) + "/optim/adamw.json"));
  const auto& settings = golden["settings"];
  const auto decayed = make("decayed", {11}, "norms", dtype);
  const auto plain = make("plain", {5}, "norms", dtype, false);
  set(decayed->value, golden["starts"]["decayed"]);
  set(plain->value, golden["starts"]["plain"]);
  TrainableArena arena({decayed, plain});
  const Schedule warm_up{.warmup_steps = golden["warmup"].get<std::int64_t>()};
  AdamW adamw(arena, {{"norms",
                       {.learning_rate = settings["lr"],
                        .beta1 = settings["beta1"],
                        .beta2 = settings["beta2"],
                        .epsilon = settings["eps"],
                        .weight_decay = settings["weight_decay"],
                        .clip = settings["clip"],
                        .schedule = warm_up}}});
  const auto& expected = golden[dtype == DType::kFloat64 ? "float64" : "float32"];
  ASSERT_EQ(expected.size(), 6u);
  for (std::size_t step = 0; step < expected.size(); ++step) {
    set(decayed->gradient, golden["gradients"][step]["decayed"]);
    set(plain->gradient, golden["gradients"][step]["plain"]);
    const auto report = adamw.step(static_cast<std::int64_t>(step), {});
    const double norm = expected[step]["norm"];
    EXPECT_NEAR(report[0].gradient_norm, norm, norm * tolerance);
    for (const auto& parameter : {decayed, plain}) {
      const Tensor value = parameter->value.to(DType::kFloat64);
      for (std::size_t i = 0; i < value.values<double>().size(); ++i) {
        EXPECT_NEAR(value.values<double>()[i], expected[step][parameter->name][i].get<double>(),
                    tolerance)
            << parameter->name << " step " << step << " element " << i;
      }
    }
  }
}

// torch divides by norm + 1e-6 when it clips; with norms above 1.5 that is at most 7e-7 of a
// gradient, which Adam's normalisation passes on in part.
TEST(AdamW, FollowsTorchInDouble) { compare_with_torch(DType::kFloat64, 2e-8); }
TEST(AdamW, FollowsTorchInFloat) { compare_with_torch(DType::kFloat32, 2e-6); }

TEST(AdamW, ClippingLimitsTheNormPerGroup) {
  const auto a = make("a", {100}, "norms"), b = make("b", {100}, "heads");
  TrainableArena arena({a, b});
  GroupSettings settings{.beta1 = 0, .clip = 1.0};
  AdamW adamw(arena, {{"norms", settings}, {"heads", settings}});
  a->gradient.fill(2.0);   // norm 20
  b->gradient.fill(0.01);  // norm 0.1: not clipped
  const auto reports = adamw.step(0, {});
  ASSERT_EQ(reports[1].group, "norms");
  EXPECT_NEAR(reports[1].gradient_norm, 20, 1e-6);
  EXPECT_NEAR(reports[0].gradient_norm, 0.1, 1e-8);
  // beta1 = 0: the first moment is the clipped gradient itself.
  EXPECT_NEAR(arena.moment1().values<float>()[128], 0.1, 1e-7);
  EXPECT_NEAR(arena.moment1().values<float>()[0], 0.01, 1e-8);
  EXPECT_EQ(a->gradient.values<float>()[5], 0.0f);
}

TEST(AdamW, DecayOnlyWhereItMayAndGroupsStepAlone) {
  const auto alpha = make("alpha", {4}, "alpha"), w = make("w", {4}, "projectors"),
             bias = make("bias", {4}, "projectors", DType::kFloat32, false);
  TrainableArena arena({w, bias, alpha});
  const GroupSettings settings{.learning_rate = 0.1, .weight_decay = 0.5};
  AdamW adamw(arena, {{"alpha", settings}, {"projectors", settings}});
  adamw.step(0, {}, {"projectors"});  // zero gradients: only decay moves anything
  EXPECT_FLOAT_EQ(w->value.values<float>()[0], 0.5f * 0.95f);
  EXPECT_EQ(bias->value.values<float>()[0], 0.5f);
  EXPECT_EQ(adamw.updates().at("alpha"), 0);
  adamw.step(0, {}, {"alpha"});
  EXPECT_EQ(alpha->value.values<float>()[0], 0.5f);
  EXPECT_FLOAT_EQ(w->value.values<float>()[0], 0.5f * 0.95f);
  EXPECT_EQ(adamw.updates().at("alpha"), 1);
  EXPECT_EQ(adamw.updates().at("projectors"), 1);
}

TEST(AdamW, ABadGradientIsNamedAndChangesNothing) {
  const auto first = make("first", {3}, "norms"), second = make("second", {3}, "norms"),
             head = make("head", {3}, "heads");
  TrainableArena arena({first, second, head});
  AdamW adamw(arena, {{"norms", {}}, {"heads", {}}});
  arena.gradients().fill(1.0);
  second->gradient.values<float>()[1] = std::numeric_limits<float>::quiet_NaN();
  try {
    adamw.step(0, {});
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_NE(error.message().find("second"), std::string::npos) << error.message();
    EXPECT_EQ(error.exit_code(), 1);
  }
  EXPECT_EQ(head->value.values<float>()[0], 0.5f);
  EXPECT_EQ(adamw.updates().at("heads"), 0);
  first->gradient.values<float>()[2] = std::numeric_limits<float>::infinity();
  try {
    adamw.step(0, {});
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_NE(error.message().find("first"), std::string::npos) << error.message();
  }
}

TEST(AdamW, ThreadsDoNotChangeABit) {
  std::vector<std::vector<float>> results;
  std::vector<double> norms;
  for (const int threads : {1, 2, 3, 4}) {
    const auto a = make("a", {173, 331}, "norms"), b = make("b", {70001}, "norms");
    TrainableArena arena({a, b});
    AdamW adamw(arena, {{"norms", {.weight_decay = 0.1, .clip = 1.0}}});
    for (int step = 0; step < 3; ++step) {
      fill_normal(a->gradient, static_cast<std::uint64_t>(step));
      fill_normal(b->gradient, static_cast<std::uint64_t>(step) + 100);
      norms.push_back(adamw.step(step, {.threads = threads})[0].gradient_norm);
    }
    const auto weights = arena.weights().values<float>();
    results.emplace_back(weights.begin(), weights.end());
  }
  for (std::size_t i = 1; i < results.size(); ++i) {
    EXPECT_EQ(std::memcmp(results[0].data(), results[i].data(), results[0].size() * sizeof(float)),
              0);
    EXPECT_EQ(norms[3 * i + 2], norms[2]);
  }
}

TEST(AdamW, WorkingCopiesAreFreshAfterAStep) {
  const auto a = make("a", {8}, "norms");
  TrainableArena arena({a}, {.working = DType::kBFloat16});
  AdamW adamw(arena, {{"norms", {.learning_rate = 0.25}}});
  a->gradient.fill(1.0);
  adamw.step(0, {});
  EXPECT_NEAR(static_cast<float>(a->value.values<BFloat16>()[0]), 0.25, 1e-6);
  EXPECT_NEAR(arena.weights().values<float>()[0], 0.25, 1e-6);
}

TEST(AdamW, GradientScaleIsPartOfTheGradient) {
  const auto a = make("a", {8}, "norms", DType::kFloat64),
             b = make("b", {8}, "norms", DType::kFloat64);
  TrainableArena one({a}), two({b});
  AdamW first(one, {{"norms", {}}}), second(two, {{"norms", {}}});
  a->gradient.fill(3.0);
  b->gradient.fill(12.0);
  EXPECT_EQ(first.step(0, {})[0].gradient_norm, second.step(0, {}, {}, 0.25)[0].gradient_norm);
  EXPECT_EQ(a->value.values<double>()[0], b->value.values<double>()[0]);
}

TEST(AdamW, MissingSettingsAreReported) {
  TrainableArena arena({make("a", {8}, "norms")});
  EXPECT_THROW(AdamW(arena, {{"heads", {}}}), Error);
}

TEST(GradientNorm, MatchesALongDoubleSum) {
  const auto a = make("a", {12345}, "norms"), b = make("b", {3, 4097}, "norms");
  const TrainableArena arena({a, b});
  fill_normal(a->gradient, 1);
  fill_normal(b->gradient, 2);
  long double sum = 0;
  for (const auto& parameter : {a, b}) {
    for (const float g : parameter->gradient.values<float>())
      sum += static_cast<long double>(g) * g;
  }
  const auto expected = static_cast<double>(std::sqrt(sum));
  EXPECT_NEAR(group_gradient_norm(arena, "norms", {.threads = 2}), expected, expected * 1e-13);
}

TEST(ExponentiatedGradient, FollowsTheFormulaAndStaysOnTheSimplex) {
  const Tensor alpha =
      Tensor::from_values<double>({2, 3}, std::vector{0.2, 0.3, 0.5, 0.9, 0.1, 0.0});
  const Tensor gradient =
      Tensor::from_values<double>({2, 3}, std::vector{1.0, -2.0, 0.0, 0.0, 1e9, 0.0});
  exponentiated_gradient(alpha, gradient, 0.1);
  const double a = 0.2 * std::exp(-0.1), b = 0.3 * std::exp(0.2), sum = a + b + 0.5;
  EXPECT_NEAR(alpha.values<double>()[0], a / sum, 1e-15);
  EXPECT_NEAR(alpha.values<double>()[1], b / sum, 1e-15);
  // The second row: an exponent cut at -9, then the floor, then the division.
  const double low = 0.1 * std::exp(-9.0), total = 0.9 + low + 1e-5;
  EXPECT_NEAR(alpha.values<double>()[4], low / total, 1e-15);
  EXPECT_NEAR(alpha.values<double>()[5], 1e-5 / total, 1e-15);
  EXPECT_NEAR(alpha.values<double>()[3] + alpha.values<double>()[4] + alpha.values<double>()[5], 1,
              1e-15);
}

TEST(ExponentiatedGradient, IsARuleOfTheOptimiser) {
  const auto alpha = make("alpha", {3, 2}, "alpha");
  TrainableArena arena({alpha});
  AdamW adamw(arena,
              {{"alpha", {.rule = UpdateRule::kExponentiatedGradient, .learning_rate = 0.1}}});
  for (int row = 0; row < 3; ++row)
    alpha->gradient.values<float>()[static_cast<std::size_t>(2 * row)] = 1.0f;
  adamw.step(0, {});
  const double down = std::exp(-0.1);
  EXPECT_NEAR(alpha->value.values<float>()[0], down / (1 + down), 1e-7);
  EXPECT_NEAR(alpha->value.values<float>()[5], 1 / (1 + down), 1e-7);
}

}  // namespace
}  // namespace peryton
