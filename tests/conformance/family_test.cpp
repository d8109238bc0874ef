// What holds for every family of the build, on its tiny model.
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "framework/families/import.h"
#include "tests/support/conformance.h"
#include "tests/support/finite_difference.h"

namespace peryton {
namespace {

using test::bitwise_equal;
using test::max_difference;

constexpr std::uint64_t kSeed = 5;

class EveryFamily : public testing::TestWithParam<std::string> {
 protected:
  EveryFamily() : registry_(all_families()), family_(registry_.by_name(GetParam())) {}
  std::unique_ptr<Component> tiny(DType dtype = DType::kFloat32) const {
    return test::tiny_model(family_, dtype, kSeed);
  }
  // Without the family's rounding, if it has any (Family::smooth_config).
  std::unique_ptr<Component> smooth(DType dtype = DType::kFloat32) const {
    return test::tiny_model(family_, family_.smooth_config(), dtype, kSeed);
  }
  bool rounds() const { return family_.smooth_config() != family_.tiny_config(); }
  FamilyRegistry registry_;
  const Family& family_;
};

// What one activation that rounds to the neighbouring integer may change: a step is 1/127 of the
// largest value of its row, and logits are of order one.
constexpr double kOneStep = 0.1;

TEST_P(EveryFamily, ParametersAreNamedGroupedAndOnce) {
  const auto component = tiny();
  const std::set<std::string> groups{"embeddings", "heads", "norms", "components"};
  std::set<std::string> names;
  for (const ParameterPtr& parameter : component->parameters()) {
    EXPECT_TRUE(names.insert(parameter->name).second) << parameter->name;
    EXPECT_TRUE(groups.contains(parameter->group)) << parameter->name;
    EXPECT_FALSE(parameter->trainable);
    EXPECT_EQ(family_.canonical_name(parameter->name), parameter->name);
  }
  EXPECT_TRUE(names.contains(component->embedding()->name));
  EXPECT_TRUE(names.contains(component->head()->name));
  EXPECT_EQ(component->head() == component->embedding(), component->shape().tied_head);
}

TEST_P(EveryFamily, ConfigComesBackTheSame) {
  const auto component = tiny();
  const auto again = family_.create(component->config(), "written config", DType::kFloat32);
  EXPECT_EQ(again->config(), component->config());
  ASSERT_EQ(again->parameters().size(), component->parameters().size());
  for (std::size_t i = 0; i < again->parameters().size(); ++i) {
    EXPECT_EQ(again->parameters()[i]->name, component->parameters()[i]->name);
    EXPECT_EQ(again->parameters()[i]->value.shape(), component->parameters()[i]->value.shape());
  }
  EXPECT_TRUE(family_.accepts(component->config()));
}

TEST_P(EveryFamily, SavedAndLoadedIsTheSame) {
  const auto component = tiny();
  const auto folder = std::filesystem::temp_directory_path() /
                      fmt::format("peryton-conformance-{}-{}", GetParam(), getpid());
  export_component(*component, folder, std::nullopt);
  const LoadedComponent loaded = load_component(folder, registry_, DType::kFloat32);
  std::filesystem::remove_all(folder);
  EXPECT_EQ(loaded.family, GetParam());
  EXPECT_EQ(loaded.component->config(), component->config());
  for (std::size_t i = 0; i < component->parameters().size(); ++i) {
    EXPECT_TRUE(
        bitwise_equal(loaded.component->parameters()[i]->value, component->parameters()[i]->value))
        << component->parameters()[i]->name;
  }
}

TEST_P(EveryFamily, UnknownSettingIsTheUsersError) {
  const nlohmann::json settings = {{"width", 32}, {"layers", 1}, {"vocabulary", 10}, {"widht", 3}};
  try {
    family_.config_from_settings(settings, "my.yaml:3");
    FAIL() << "'widht' was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), 2);
    EXPECT_NE(std::string(error.what()).find("widht"), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("my.yaml:3"), std::string::npos);
  }
}

TEST_P(EveryFamily, InitialisationIsAFunctionOfTheSeed) {
  const auto make = [&](std::uint64_t seed) {
    auto component = family_.create(family_.tiny_config(), "tiny config", DType::kFloat32);
    family_.initialise(*component, seed);
    return component;
  };
  const auto first = make(1), same = make(1), other = make(2);
  bool differs = false;
  for (std::size_t i = 0; i < first->parameters().size(); ++i) {
    const Tensor& value = first->parameters()[i]->value;
    EXPECT_TRUE(bitwise_equal(value, same->parameters()[i]->value));
    differs = differs || !bitwise_equal(value, other->parameters()[i]->value);
    const double size = test::max_difference(value, Tensor::zeros(value.dtype(), value.shape()));
    EXPECT_TRUE(std::isfinite(size)) << first->parameters()[i]->name;
  }
  EXPECT_TRUE(differs);
}

// The gradient of a projection of the logits with respect to the hidden state that enters the
// blocks.
TEST_P(EveryFamily, InputGradientAgainstFiniteDifferences) {
  const auto component = smooth(DType::kFloat64);
  const TokenBatch batch{test::random_ids(2, 7, component->shape().vocabulary, kSeed), {}, 0};
  const auto f = [&](Tape& tape, const std::vector<Variable>& v) {
    const ForwardContext context{tape, batch, nullptr};
    const Variable hidden = component->run(context, 0, component->shape().blocks, v[0]);
    return component->logits(context, component->final_norm(context, hidden));
  };
  test::check_gradients(
      f, {test::random_normal(DType::kFloat64, {2, 7, component->shape().width}, kSeed)},
      {.tolerance = 1e-7});
}

TEST_P(EveryFamily, FrozenComponentKeepsNothingAndPassesTheInputGradient) {
  const auto component = tiny();
  const TokenBatch batch{test::random_ids(2, 9, component->shape().vocabulary, kSeed), {}, 0};
  const Shape shape{2, 9, component->shape().width};
  const Tensor hidden = test::random_normal(DType::kFloat32, shape, 1);
  const Tensor d = test::random_normal(DType::kFloat32, shape, 2);
  const auto input_gradient = [&] {
    Tape tape({});
    const ForwardContext context{tape, batch, nullptr};
    const Variable input = tape.input(hidden);
    const Variable output = component->run(context, 0, component->shape().blocks, input);
    tape.backward_from(output, d);
    return input.gradient();
  };
  const Tensor frozen = input_gradient();
  for (const ParameterPtr& parameter : component->parameters()) {
    EXPECT_FALSE(parameter->gradient.defined()) << parameter->name;
  }
  {
    Tape tape({});
    const ForwardContext context{tape, batch, nullptr};
    component->run(context, 0, component->shape().blocks, component->embed(context));
    EXPECT_EQ(tape.entries(), 0u) << "recorded below the first trainable";
  }
  test::set_trainable(*component, true);
  EXPECT_TRUE(bitwise_equal(frozen, input_gradient()));
}

TEST_P(EveryFamily, ThreadsChangeNoBit) {
  const auto component = tiny();
  const Tensor ids = test::random_ids(3, 70, component->shape().vocabulary, kSeed);
  const auto run = [&](int threads) {
    test::set_trainable(*component, true);
    return test::evaluate(*component, {ids, {}, 0}, test::next_tokens(ids), threads);
  };
  const test::Evaluation one = run(1), three = run(3);
  EXPECT_TRUE(bitwise_equal(one.logits, three.logits));
  EXPECT_EQ(one.loss, three.loss);
  for (const auto& [name, gradient] : one.gradients) {
    EXPECT_TRUE(bitwise_equal(gradient, three.gradients.at(name))) << name;
  }
}

void expect_packed_equals_separate(Component& component, double tolerance) {
  const std::vector<std::int64_t> lengths{13, 1, 40, 16};
  const Tensor ids = test::random_ids(1, 70, component.shape().vocabulary, kSeed);
  const Tensor start = Tensor::zeros(DType::kInt32, {1, 70});
  std::int64_t begin = 0;
  for (const std::int64_t length : lengths) {
    for (std::int64_t t = begin; t < begin + length; ++t) {
      start.values<std::int32_t>()[t] = static_cast<std::int32_t>(begin);
    }
    begin += length;
  }
  const Tensor packed = test::logits_of(component, {ids, start, 0});
  begin = 0;
  for (const std::int64_t length : lengths) {
    const Tensor part = ids.slice(1, begin, begin + length).contiguous_copy();
    const Tensor alone = test::logits_of(component, {part, {}, 0});
    EXPECT_LE(max_difference(packed.slice(1, begin, begin + length), alone), tolerance) << begin;
    begin += length;
  }
}

TEST_P(EveryFamily, PackedDocumentsEqualSeparateOnes) {
  expect_packed_equals_separate(*smooth(), 1e-5);
  if (rounds()) expect_packed_equals_separate(*tiny(), kOneStep);
}

// Prefill in chunks that straddle every border there is, then single steps.
void expect_generation_equals_one_pass(Component& component, double tolerance) {
  const Tensor ids = test::random_ids(2, 90, component.shape().vocabulary, kSeed);
  const Tensor whole = test::logits_of(component, {ids, {}, 0});
  for (const std::vector<std::int64_t>& steps : std::vector<std::vector<std::int64_t>>{
           {64, 1, 1, 24}, {7, 9, 33, 1, 40}, {90}, std::vector<std::int64_t>(90, 1)}) {
    const auto state = component.make_state(2, 90);
    std::int64_t past = 0;
    for (const std::int64_t step : steps) {
      const Tensor part = ids.slice(1, past, past + step).contiguous_copy();
      const Tensor logits = test::logits_of(component, {part, {}, past}, state.get());
      ASSERT_LE(max_difference(logits, whole.slice(1, past, past + step)), tolerance)
          << "tokens from " << past;
      past += step;
    }
  }
}

TEST_P(EveryFamily, GenerationEqualsOnePass) {
  expect_generation_equals_one_pass(*smooth(), 1e-4);
  if (rounds()) expect_generation_equals_one_pass(*tiny(), kOneStep);
}

// Recomputation in backward gives the same bits as keeping activations.
TEST_P(EveryFamily, RecomputationChangesNoBit) {
  const auto component = tiny();
  const TokenBatch batch{test::random_ids(2, 20, component->shape().vocabulary, kSeed), {}, 0};
  const Tensor d = test::random_normal(DType::kFloat32, {2, 20, component->shape().width}, 3);
  const auto run = [&](bool recompute) {
    test::set_trainable(*component, true);
    Tape tape({});
    const auto body = [&](Tape& inner, const std::vector<Variable>& v) {
      return component->run({inner, batch, nullptr}, 0, component->shape().blocks, v[0]);
    };
    const Variable hidden = component->embed({tape, batch, nullptr});
    const Variable output = recompute ? tape.recompute({hidden}, body) : body(tape, {hidden});
    tape.backward_from(output, d);
    std::vector<Tensor> gradients;
    for (const ParameterPtr& parameter : component->parameters()) {
      gradients.push_back(parameter->gradient);
    }
    return gradients;
  };
  const auto kept = run(false), again = run(true);
  for (std::size_t i = 0; i < kept.size(); ++i) {
    EXPECT_TRUE(bitwise_equal(kept[i], again[i])) << component->parameters()[i]->name;
  }
}

void expect_bfloat16_close(Component& wide, Component& narrow, double tolerance) {
  const Tensor ids = test::random_ids(2, 20, wide.shape().vocabulary, kSeed);
  test::set_trainable(wide, true);
  test::set_trainable(narrow, true);
  const auto a = test::evaluate(wide, {ids, {}, 0}, test::next_tokens(ids));
  const auto b = test::evaluate(narrow, {ids, {}, 0}, test::next_tokens(ids));
  EXPECT_LT(test::relative_error(b.logits, a.logits), tolerance);
  EXPECT_NEAR(a.loss, b.loss, 0.05 * a.loss);
}

// Rounding weights to bfloat16 flips a few of the trits that lie near a border (one in two thousand
// of Gaussian weights), each of which is one of 24 in its row.
TEST_P(EveryFamily, BFloat16IsCloseToFloat) {
  expect_bfloat16_close(*smooth(), *smooth(DType::kBFloat16), 0.05);
  if (rounds()) expect_bfloat16_close(*tiny(), *tiny(DType::kBFloat16), 0.3);
}

std::vector<std::string> family_names() {
  std::vector<std::string> names;
  const FamilyRegistry registry = all_families();
  for (const auto& family : registry.all()) names.push_back(family->name());
  return names;
}

INSTANTIATE_TEST_SUITE_P(Families, EveryFamily, testing::ValuesIn(family_names()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace peryton
