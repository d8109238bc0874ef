// Every golden folder of every family: the same logits, losses and gradients as an independent
// implementation, in float32 and in float64.
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "framework/checkpoint/safetensors.h"
#include "tests/support/conformance.h"
#include "tests/support/finite_difference.h"

namespace peryton {
namespace {

using test::GoldenCase;
using test::max_difference;
using test::relative_error;

struct Tolerance {
  DType dtype;
  double logits, hidden, gradient, loss;
};
// Float32: what the project promises. Float64: the goldens are stored in float32 (rounding 6e-8 of
// values of order ten), and the reference's rotary frequencies went through float32 once: 6e-8 of
// each, 8e-7 rad at the last position.
constexpr Tolerance kSingle{DType::kFloat32, 1e-4, 1e-4, 1e-5, 1e-5};
constexpr Tolerance kDouble{DType::kFloat64, 2e-6, 2e-6, 5e-7, 1e-6};
// Layers with quantised activations are float32 by definition, whatever their input.
constexpr Tolerance kRounding{DType::kFloat64, 1e-4, 1e-4, 1e-5, 1e-5};

class Golden : public testing::TestWithParam<GoldenCase> {};

void compare(const test::Evaluation& got, const SafetensorsFile& want, const Tolerance& tolerance) {
  EXPECT_LE(max_difference(got.logits, want.load("logits")), tolerance.logits);
  EXPECT_NEAR(got.loss, want.load("loss").item(), tolerance.loss);
  for (std::size_t i = 0; i < got.hidden.size(); ++i) {
    const std::string name = fmt::format("hidden.{}", i);
    if (!want.contains(name)) continue;
    EXPECT_LE(max_difference(got.hidden[i], want.load(name)), tolerance.hidden) << name;
  }
  std::size_t checked = 0;
  for (const auto& [name, gradient] : got.gradients) {
    ASSERT_TRUE(want.contains("grad." + name)) << name;
    EXPECT_LE(relative_error(gradient, want.load("grad." + name)), tolerance.gradient) << name;
    ++checked;
  }
  std::size_t stored = 0;
  for (const std::string& name : want.names()) stored += name.starts_with("grad.");
  EXPECT_EQ(checked, stored);
}

void run_case(const GoldenCase& golden, const Tolerance& tolerance) {
  const auto component = load_golden(golden, tolerance.dtype);
  const auto expected = SafetensorsFile::open(golden.folder / "expected.safetensors");
  test::set_trainable(*component, true);
  const Tensor ids = expected.load("ids");
  compare(test::evaluate(*component, {ids, {}, 0}, test::next_tokens(ids)), expected, tolerance);

  if (!std::filesystem::exists(golden.folder / "packed.safetensors")) return;
  const auto packed = SafetensorsFile::open(golden.folder / "packed.safetensors");
  test::set_trainable(*component, true);
  const TokenBatch batch{packed.load("ids"), packed.load("document_start"), 0};
  compare(test::evaluate(*component, batch, packed.load("targets")), packed, tolerance);
}

TEST_P(Golden, SinglePrecision) { run_case(GetParam(), kSingle); }
TEST_P(Golden, DoublePrecision) {
  const FamilyRegistry registry = all_families();
  const Family& family = registry.by_name(GetParam().family);
  const bool rounds = family.smooth_config() != family.tiny_config();
  run_case(GetParam(), rounds ? kRounding : kDouble);
}

// Greedy continuation with caches: the prompt in uneven chunks, then one token at a time.
TEST_P(Golden, GreedyTokens) {
  const auto component = load_golden(GetParam(), DType::kFloat32);
  const auto expected = SafetensorsFile::open(GetParam().folder / "expected.safetensors");
  const Tensor prompt = expected.load("prompt"), greedy = expected.load("greedy");
  const auto state = component->make_state(1, prompt.size(1) + greedy.size(1));
  Tensor logits;
  std::int64_t past = 0;
  const auto feed = [&](const Tensor& ids) {
    logits = test::logits_of(*component, {ids.contiguous_copy(), {}, past}, state.get());
    past += ids.size(1);
  };
  feed(prompt.slice(1, 0, 5));
  feed(prompt.slice(1, 5, prompt.size(1)));
  for (std::int64_t i = 0; i < greedy.size(1); ++i) {
    const Tensor last = logits.slice(1, logits.size(1) - 1, logits.size(1)).contiguous_copy();
    const auto row = last.values<float>();
    const auto best = std::max_element(row.begin(), row.end()) - row.begin();
    ASSERT_EQ(best, greedy.values<std::int32_t>()[i]) << "token " << i;
    feed(greedy.slice(1, i, i + 1));
  }
}

std::string name_of(const testing::TestParamInfo<GoldenCase>& info) {
  return info.param.family + "_" + info.param.name;
}

INSTANTIATE_TEST_SUITE_P(Families, Golden, testing::ValuesIn(test::golden_cases()), name_of);

}  // namespace
}  // namespace peryton
