// What holds for every hybrid: one-hot alpha is the component, frozen means untouched, generation
// is prefill.
// SPDX-License-Identifier: Apache-2.0
#include "framework/hybrid/hybrid_model.h"

#include <gtest/gtest.h>

#include <numeric>

#include "framework/families/import.h"
#include "framework/hybrid/fresh_tables.h"
#include "framework/hybrid/segments.h"
#include "framework/hybrid/single_model.h"
#include "framework/optim/adamw.h"
#include "tests/support/finite_difference.h"
#include "tests/support/golden_hybrid.h"

namespace peryton {
namespace {

const kernels::Context kOneThread{.device = {}, .threads = 1};

std::vector<std::vector<double>> one_hot(const HybridModel& model, std::size_t k) {
  std::vector<double> row(model.parts().size(), 0.0);
  row[k] = 1.0;
  return std::vector<std::vector<double>>(static_cast<std::size_t>(model.segments()), row);
}

void set_fixed(HybridModel& model, const std::vector<std::vector<double>>& values) {
  model.set_alpha(ArchitectureWeights(AlphaParameterisation::kFixed, values, DType::kFloat32));
}

TEST(HybridModel, OneHotAlphaIsTheComponentBitForBit) {
  for (const std::string name : {"transition_three", "manticore_three", "two_layer"}) {
    test::GoldenHybrid golden = test::load_golden_hybrid(name, AlphaParameterisation::kFixed);
    const LossRequest request = test::golden_request(golden.expected);
    for (std::size_t k = 0; k < golden.model->parts().size(); ++k) {
      set_fixed(*golden.model, one_hot(*golden.model, k));
      SingleModel alone(golden.model->parts()[k].component, golden.model->vocabulary());
      Tape a(kOneThread, Tape::Mode::kInference), b(kOneThread, Tape::Mode::kInference);
      EXPECT_TRUE(test::bitwise_equal(golden.model->logits(a, request.batch, nullptr),
                                      alone.logits(b, request.batch, nullptr)))
          << name << " component " << k;
      EXPECT_EQ(golden.model->loss(a, request).nll, alone.loss(b, request).nll);
    }
  }
}

// One training step with only projectors and alpha trainable.
struct Trained {
  std::int64_t arena_elements = 0;
  std::int64_t peak_bytes = 0;
};

Trained train_one_step(test::GoldenHybrid& golden, bool everything) {
  for (const ParameterPtr& parameter : golden.model->parameters()) {
    parameter->trainable =
        everything || parameter->group == "projectors" || parameter->group == "alpha";
  }
  TrainableArena arena(golden.model->parameters());
  std::map<std::string, GroupSettings> settings;
  for (const std::string& group : arena.groups()) settings[group].learning_rate = 1e-2;
  AdamW optimiser(arena, settings);
  reset_peak_memory();
  Tape tape(kOneThread);
  tape.backward(golden.model->loss(tape, test::golden_request(golden.expected)).loss);
  optimiser.step(0, kOneThread);
  return {arena.elements(), memory_use().peak_bytes};
}

TEST(HybridModel, FrozenParametersAreUntouchedAndCostNothing) {
  test::GoldenHybrid golden =
      test::load_golden_hybrid("transition_two", AlphaParameterisation::kSoftmax);
  std::vector<Tensor> before;
  std::int64_t frozen = 0, trained = 0;
  for (const ParameterPtr& parameter : golden.model->parameters()) {
    before.push_back(parameter->value.contiguous_copy());
    const bool trains = parameter->group == "projectors" || parameter->group == "alpha";
    (trains ? trained : frozen) += parameter->value.elements();
  }
  const Trained result = train_one_step(golden, false);
  const auto parameters = golden.model->parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const bool trains = parameters[i]->group == "projectors" || parameters[i]->group == "alpha";
    EXPECT_EQ(test::bitwise_equal(parameters[i]->value, before[i]), !trains) << parameters[i]->name;
  }
  // Slots are padded to 32 elements each.
  EXPECT_LE(result.arena_elements, trained + 32 * static_cast<std::int64_t>(parameters.size()));

  test::GoldenHybrid full =
      test::load_golden_hybrid("transition_two", AlphaParameterisation::kSoftmax);
  before.clear();
  EXPECT_GE(train_one_step(full, true).peak_bytes - result.peak_bytes, 4 * frozen);
}

// Two components of one width with equal new tables, or with one.
std::unique_ptr<HybridModel> with_tables(bool shared) {
  const FamilyRegistry registry = all_families();
  const std::filesystem::path folder = std::filesystem::path(PERYTON_GOLDEN_DIR) / "hybrid";
  std::vector<HybridPart> parts;
  for (const std::string name : {"twin", "mamba"}) {
    LoadedComponent loaded =
        load_component(folder / "components" / name, registry, {.fresh_vocabulary = 90});
    fill_fresh_table(*loaded.component, 7);
    parts.push_back({name, std::move(loaded.component)});
  }
  if (shared) share_table(*parts[1].component, *parts[0].component);
  HybridOptions options;
  options.segments = 2;
  auto model =
      std::make_unique<HybridModel>(std::move(parts),
                                    ArchitectureWeights(AlphaParameterisation::kSoftmax,
                                                        {{0.3, 0.7}, {0.6, 0.4}}, DType::kFloat32),
                                    options);
  model->initialise_projectors(ProjectorStart::kRandom, 3);
  test::make_all_trainable(*model);
  return model;
}

TEST(HybridModel, SharedTableIsOneParameterWithTheSumOfTheGradients) {
  const auto expected = test::load_golden_hybrid("transition_two", AlphaParameterisation::kFixed);
  LossRequest request = test::golden_request(expected.expected);
  for (std::int32_t& id : request.batch.ids.values<std::int32_t>()) id %= 90;
  for (std::int32_t& id : request.targets.values<std::int32_t>()) id = id < 0 ? id : id % 90;
  std::map<std::string, Tensor> gradients[2];
  double losses[2];
  for (const bool shared : {false, true}) {
    const auto model = with_tables(shared);
    Tape tape(kOneThread);
    const HeadLoss loss = model->loss(tape, request);
    tape.backward(loss.loss);
    losses[shared] = loss.loss.value().item();
    for (const ParameterPtr& p : model->parameters()) gradients[shared][p->name] = p->gradient;
  }
  const std::string held = "components.twin.gpt_neox.embed_in.weight";
  const std::string other = "components.mamba.backbone.embeddings.weight";
  EXPECT_NEAR(losses[1], losses[0], 1e-6 * losses[0]);
  ASSERT_EQ(gradients[1].size() + 1, gradients[0].size());
  EXPECT_FALSE(gradients[1].contains(other));
  const auto one = gradients[0].at(held).values<float>(),
             two = gradients[0].at(other).values<float>();
  for (std::size_t i = 0; i < one.size(); ++i) one[i] += two[i];
  for (const auto& [name, gradient] : gradients[1]) {
    EXPECT_LE(test::relative_error(gradient, gradients[0].at(name)), 2e-5) << name;
  }
}

TEST(HybridModel, GenerationEqualsPrefill) {
  for (const std::string name : {"transition_two", "manticore_three"}) {
    test::GoldenHybrid golden = test::load_golden_hybrid(name, AlphaParameterisation::kFixed);
    const Tensor ids = golden.expected.load("ids").slice(0, 0, 1).contiguous_copy();
    const std::int64_t length = ids.size(1);
    Tape tape(kOneThread, Tape::Mode::kInference);
    TokenBatch whole;
    whole.ids = ids;
    const Tensor expected = golden.model->logits(tape, whole, nullptr);
    for (const std::int64_t first : {std::int64_t{1}, std::int64_t{16}, length - 3}) {
      const auto state = golden.model->make_state(1, length);
      for (std::int64_t past = 0; past < length;) {
        const std::int64_t end = past == 0 ? first : past + 1;
        TokenBatch part;
        part.ids = ids.slice(1, past, end).contiguous_copy();
        part.past = past;
        const Tensor logits = golden.model->logits(tape, part, state.get());
        EXPECT_LE(test::max_difference(logits, expected.slice(1, past, end).contiguous_copy()),
                  1e-4)
            << name << " at " << past;
        past = end;
      }
    }
  }
}

TEST(HybridModel, ThreadsDoNotChangeABit) {
  std::vector<Tensor> reference;
  for (const int threads : {1, 2, 3}) {
    test::GoldenHybrid golden =
        test::load_golden_hybrid("transition_three", AlphaParameterisation::kSoftmax);
    test::make_all_trainable(*golden.model);
    Tape tape({.device = {}, .threads = threads});
    tape.backward(golden.model->loss(tape, test::golden_request(golden.expected)).loss);
    const auto parameters = golden.model->parameters();
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      if (threads == 1) {
        reference.push_back(parameters[i]->gradient);
      } else {
        EXPECT_TRUE(test::bitwise_equal(parameters[i]->gradient, reference[i]))
            << parameters[i]->name;
      }
    }
  }
}

TEST(ArchitectureWeights, GumbelIsDrawnOncePerStepAndSegment) {
  const ArchitectureWeights weights(AlphaParameterisation::kGumbel, uniform_alpha(2, 3),
                                    DType::kFloat32, 1.0, 7);
  Tape tape(kOneThread, Tape::Mode::kInference);
  const Tensor drawn = weights.realise(tape, 0, 5).value();
  EXPECT_TRUE(test::bitwise_equal(drawn, weights.realise(tape, 0, 5).value()));
  EXPECT_FALSE(test::bitwise_equal(drawn, weights.realise(tape, 1, 5).value()));
  EXPECT_FALSE(test::bitwise_equal(drawn, weights.realise(tape, 0, 6).value()));
  const Tensor quiet = weights.realise(tape, 0, -1).value();
  for (const double value : quiet.values<double>()) EXPECT_NEAR(value, 1.0 / 3, 1e-6);
  const auto noisy = drawn.values<double>();
  EXPECT_NEAR(std::accumulate(noisy.begin(), noisy.end(), 0.0), 1.0, 1e-6);
}

TEST(Segments, UnevenCutsCoverEveryBlock) {
  EXPECT_EQ(segment_boundaries(12, 4), (std::vector<std::int64_t>{0, 3, 6, 9, 12}));
  EXPECT_EQ(segment_boundaries(5, 3), (std::vector<std::int64_t>{0, 2, 3, 5}));
  EXPECT_EQ(segment_boundaries(7, 7).size(), 8u);
  EXPECT_THROW(segment_boundaries(3, 4), Error);
}

TEST(Alpha, RoundingAndDistance) {
  const std::vector<std::vector<double>> alpha{{0.7, 0.3}, {0.2, 0.8}};
  EXPECT_EQ(rounded_alpha(alpha), (std::vector<std::vector<double>>{{1, 0}, {0, 1}}));
  EXPECT_NEAR(distance_from_uniform(alpha), (0.2 + 0.3) / 2, 1e-12);
  EXPECT_EQ(distance_from_uniform(uniform_alpha(3, 4)), 0);
}

}  // namespace
}  // namespace peryton
