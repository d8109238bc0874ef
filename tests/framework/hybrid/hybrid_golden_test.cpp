// Logits, loss and every stored gradient of hybrids against an independent float64 reference.
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/support/finite_difference.h"
#include "tests/support/golden_hybrid.h"

namespace peryton {
namespace {

using test::GoldenHybrid;

class HybridGolden : public testing::TestWithParam<std::string> {};

Tensor gradient_of(const LanguageModel& model, const std::string& name) {
  for (const ParameterPtr& parameter : model.parameters()) {
    if (parameter->name == name) return parameter->gradient;
  }
  return Tensor();
}

double run(GoldenHybrid& golden, bool recompute = false) {
  test::make_all_trainable(*golden.model);
  if (golden.one_hot) {
    for (const ParameterPtr& alpha : golden.model->architecture_weights().parameters()) {
      alpha->trainable = false;
    }
  }
  LossRequest request = test::golden_request(golden.expected);
  request.recompute = recompute;
  Tape tape({.device = {}, .threads = 1});
  const HeadLoss loss = golden.model->loss(tape, request);
  tape.backward(loss.loss);
  return loss.loss.value().item();
}

TEST_P(HybridGolden, Logits) {
  GoldenHybrid golden = test::load_golden_hybrid(GetParam(), AlphaParameterisation::kFixed);
  Tape tape({.device = {}, .threads = 1}, Tape::Mode::kInference);
  const LossRequest request = test::golden_request(golden.expected);
  const Tensor logits = golden.model->logits(tape, request.batch, nullptr);
  const Tensor expected = golden.expected.load("logits").slice(-1, 0, golden.vocabulary);
  EXPECT_LE(test::max_difference(logits, expected.contiguous_copy()), 1e-4);
}

TEST_P(HybridGolden, LossAndGradients) {
  GoldenHybrid golden = test::load_golden_hybrid(GetParam(), AlphaParameterisation::kSoftmax);
  if (golden.one_hot) {  // logits of a weight that is 0 do not exist
    golden = test::load_golden_hybrid(GetParam(), AlphaParameterisation::kFixed);
  }
  EXPECT_NEAR(run(golden), golden.expected.load("loss").item(), 1e-5);
  int compared = 0;
  for (const std::string& name : golden.expected.names()) {
    if (!name.starts_with("grad.components.") && !name.starts_with("grad.projectors.")) continue;
    const Tensor expected = golden.expected.load(name);
    const Tensor found = gradient_of(*golden.model, name.substr(5));
    ASSERT_TRUE(found.defined()) << name;
    EXPECT_LE(test::relative_error(found, expected), 1e-5) << name;
    ++compared;
  }
  EXPECT_GT(compared, 8);
}

TEST_P(HybridGolden, GradientsOfAlpha) {
  for (const bool logits : {true, false}) {
    const auto parameterisation =
        logits ? AlphaParameterisation::kSoftmax : AlphaParameterisation::kSimplex;
    // In double: a gradient of alpha is a sum of large terms that cancel.
    GoldenHybrid golden = test::load_golden_hybrid(GetParam(), parameterisation, DType::kFloat64);
    if (golden.one_hot) return;
    run(golden);
    const Tensor expected = golden.expected.load(logits ? "grad.alpha_logits" : "grad.alpha");
    for (std::int64_t i = 0; i < golden.model->segments(); ++i) {
      const Tensor found = gradient_of(*golden.model, fmt::format("alpha.{}", i));
      const Tensor row = expected.slice(0, i, i + 1).contiguous_copy().reshape(found.shape());
      EXPECT_LE(test::relative_error(found, row), 2e-6) << "segment " << i << " logits " << logits;
    }
  }
}

TEST_P(HybridGolden, RecomputationChangesNothing) {
  GoldenHybrid kept = test::load_golden_hybrid(GetParam(), AlphaParameterisation::kFixed);
  GoldenHybrid again = test::load_golden_hybrid(GetParam(), AlphaParameterisation::kFixed);
  EXPECT_EQ(run(kept), run(again, true));
  const auto a = kept.model->parameters(), b = again.model->parameters();
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i]->group ==
        "alpha") {  // the shares of a segment are added up before they join the others
      EXPECT_LE(test::relative_error(b[i]->gradient, a[i]->gradient), 1e-4) << a[i]->name;
    } else {
      EXPECT_TRUE(test::bitwise_equal(a[i]->gradient, b[i]->gradient)) << a[i]->name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, HybridGolden, testing::ValuesIn(test::golden_hybrid_cases()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace peryton
