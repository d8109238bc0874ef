// SPDX-License-Identifier: Apache-2.0
#include "framework/search/projector_fit.h"

#include <gtest/gtest.h>

#include <cmath>

#include "framework/hybrid/single_model.h"
#include "tests/support/finite_difference.h"
#include "tests/support/golden_hybrid.h"

namespace peryton {
namespace {

const kernels::Context kContext{.device = {}, .threads = 1};

TEST(Ridge, RecoversAnAffineMap) {
  const Tensor x = test::random_normal(DType::kFloat32, {600, 5}, 1);
  const Tensor weight = test::random_normal(DType::kFloat64, {3, 5}, 2);
  const Tensor y = Tensor::empty(DType::kFloat32, {600, 3});
  for (int r = 0; r < 600; ++r) {
    for (int o = 0; o < 3; ++o) {
      double sum = 0.5 * o;
      for (int i = 0; i < 5; ++i)
        sum += weight.data<double>()[o * 5 + i] * static_cast<double>(x.data<float>()[r * 5 + i]);
      y.data<float>()[r * 3 + o] = static_cast<float>(sum);
    }
  }
  RegressionSums sums(5, 3);
  sums.add(kContext, x, y);
  const auto solution = sums.solve(0);
  EXPECT_LE(test::relative_error(solution.weight, weight), 1e-5);
  for (int o = 0; o < 3; ++o) EXPECT_NEAR(solution.bias.data<double>()[o], 0.5 * o, 1e-5);
  double small = 0, large = 0;
  const Tensor strong = sums.solve(1.0).weight;
  for (const double w : solution.weight.values<double>()) small += w * w;
  for (const double w : strong.values<double>()) large += w * w;
  EXPECT_LT(large, small);
}

TEST(Ridge, DegenerateSumsAreReported) {
  RegressionSums sums(4, 2);
  EXPECT_THROW(sums.solve(1e-4), Error);
}

double loss_of(HybridModel& model, const LossRequest& request) {
  Tape tape(kContext, Tape::Mode::kInference);
  return model.loss(tape, request).loss.value().item();
}

// The fitted hybrid's distance to the mix of what its components say alone, against other starts.
TEST(ProjectorFit, BringsTheHybridNearTheComponentsMix) {
  test::GoldenHybrid golden =
      test::load_golden_hybrid("transition_two", AlphaParameterisation::kFixed);
  HybridModel& model = *golden.model;
  model.set_alpha(
      ArchitectureWeights(AlphaParameterisation::kFixed, uniform_alpha(2, 2), DType::kFloat32));
  const LossRequest request = test::golden_request(golden.expected);
  const auto distance = [&] {
    Tape tape(kContext, Tape::Mode::kInference);
    const Tensor mixed = model.logits(tape, request.batch, nullptr);
    const Tensor target = Tensor::zeros(DType::kFloat32, mixed.shape());
    for (const HybridPart& part : model.parts()) {
      SingleModel alone(part.component, model.vocabulary());
      const Tensor logits = alone.logits(tape, request.batch, nullptr);
      for (std::int64_t i = 0; i < target.elements(); ++i) {
        target.data<float>()[i] += 0.5f * logits.data<float>()[i];
      }
    }
    return test::relative_error(mixed, target);
  };
  model.initialise_projectors(ProjectorStart::kRandom, 1);
  const double random = distance();
  model.initialise_projectors(ProjectorStart::kIdentity, 1);
  const double identity = distance();
  ProjectorFit fit(model, kContext);
  fit.collect(request.batch);
  const auto ranks = self_communicator();
  fit.finish(*ranks, 1e-4);
  EXPECT_LT(distance(), random);
  EXPECT_LT(distance(), identity);
  EXPECT_TRUE(std::isfinite(loss_of(model, request)));
}

TEST(ProjectorFit, RefusesTwoLayers) {
  test::GoldenHybrid golden = test::load_golden_hybrid("two_layer", AlphaParameterisation::kFixed);
  EXPECT_THROW(ProjectorFit(*golden.model, kContext), Error);
}

}  // namespace
}  // namespace peryton
