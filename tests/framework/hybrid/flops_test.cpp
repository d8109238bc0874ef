// Floating-point operations of models small enough to count by hand, and of the hybrid of
// tests/perf/hybrid_step.yaml.
// SPDX-License-Identifier: Apache-2.0
#include "framework/families/flops.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "framework/families/import.h"
#include "framework/hybrid/fresh_tables.h"
#include "framework/hybrid/hybrid_model.h"
#include "framework/hybrid/single_model.h"
#include "tests/support/conformance.h"

namespace peryton {
namespace {

// In shape alone, its head tied to a table of so many rows.
std::shared_ptr<Component> tied(const std::string& family, nlohmann::json settings,
                                std::int64_t rows) {
  const FamilyRegistry registry = all_families();
  const Family& of = registry.by_name(family);
  settings["vocabulary"] = 64;
  const auto made = of.make(of.config_from_settings(settings, "test"), "test", DType::kFloat32);
  return over_vocabulary(*made, of, rows, "test", DType::kFloat32);
}

void train(const LanguageModel& model, const std::vector<std::string>& groups) {
  for (const ParameterPtr& parameter : model.parameters()) {
    parameter->trainable = std::ranges::find(groups, parameter->group) != groups.end();
  }
}

// Of two components with the widths given, in three segments.
struct Pair {
  std::shared_ptr<Component> neox, mamba;
  std::unique_ptr<HybridModel> model;

  Pair(std::int64_t width, std::int64_t layers, std::int64_t heads, std::int64_t rows, bool shared)
      : neox(tied("gpt_neox", {{"width", width}, {"layers", layers}, {"heads", heads}}, rows)),
        mamba(tied("mamba2", {{"width", width}, {"layers", 2 * layers}, {"state", 128}}, rows)) {
    if (shared) share_table(*mamba, *neox);
    HybridOptions options;
    options.segments = 3;
    options.projectors = ProjectorKind::kAffine;
    model = std::make_unique<HybridModel>(
        std::vector<HybridPart>{{"neox", neox}, {"mamba", mamba}},
        ArchitectureWeights(AlphaParameterisation::kSoftmax, uniform_alpha(3, 2), DType::kFloat32),
        options);
  }
  void fix(const std::vector<std::vector<double>>& alpha) const {
    model->set_alpha(ArchitectureWeights(AlphaParameterisation::kFixed, alpha, DType::kFloat32));
  }
};

TEST(Flops, TheBenchmarkedHybridByHand) {
  const Pair pair(512, 6, 8, 50280, /*shared=*/true);
  train(*pair.model, {"alpha", "projectors", "embeddings"});
  const ForwardFlops flops = pair.model->forward_flops_per_token(512);
  const double neox = 6 * (3 * 512 + 512 + 2 * 4 * 512) * 512.0;
  const double mamba = 12 * (512 * (1024 + 1280 + 16) + 1024 * 512.0);  // [z | x B C | dt], out
  const double projectors = 3 * 2 * 2 * 512 * 512.0, head = 50280 * 512.0;
  EXPECT_DOUBLE_EQ(flops.frozen, 2 * (neox + mamba));
  EXPECT_DOUBLE_EQ(flops.trained, 2 * (projectors + head));  // one head, of the table for both
  // Scores and sums over 256 visible tokens; four taps, half a tile of 64 of C B' and of its
  // product with x, and the states' input and output.
  const double attention = 6 * 2 * 2 * 512 * 256.0;
  const double scan = 12 * (2 * 4 * 1280 + 64 * (128 + 1024) + 2 * 2 * 1024 * 128.0);
  EXPECT_DOUBLE_EQ(flops.mixing, attention + scan);
  EXPECT_DOUBLE_EQ(flops.training(), 2 * flops.frozen + 3 * flops.trained + 3 * flops.mixing);
  const double products = 2048 * (2 * flops.frozen + 3 * flops.trained);
  EXPECT_NEAR(products, 0.678e12, 0.001e12);

  train(*pair.model, {"alpha", "projectors", "embeddings", "components", "norms"});
  const ForwardFlops all = pair.model->forward_flops_per_token(512);
  EXPECT_EQ(all.frozen, 0);
  EXPECT_DOUBLE_EQ(all.training(), 3 * flops.total());
}

TEST(Flops, HeadsCountByTheirProducts) {
  const double head = 2 * 90 * 16;
  const Pair shared(16, 3, 2, 90, true), separate(16, 3, 2, 90, false);
  EXPECT_DOUBLE_EQ(separate.model->forward_flops_per_token(8).total() -
                       shared.model->forward_flops_per_token(8).total(),
                   head);
  // The other name of a shared table trains when the table does.
  SingleModel alone(shared.mamba);
  const double blocks = alone.forward_flops_per_token(8).frozen - head;
  shared.neox->embedding()->trainable = true;
  EXPECT_DOUBLE_EQ(alone.forward_flops_per_token(8).trained, head);
  EXPECT_DOUBLE_EQ(alone.forward_flops_per_token(8).frozen, blocks);
}

TEST(Flops, WhatAFixedAlphaLeavesOutDoesNotCount) {
  const Pair pair(16, 3, 2, 90, false);
  SingleModel neox(pair.neox), mamba(pair.mamba);
  const double whole_neox = neox.forward_flops_per_token(8).total();
  const double whole_mamba = mamba.forward_flops_per_token(8).total();
  pair.fix({{1, 0}, {1, 0}, {1, 0}});
  EXPECT_DOUBLE_EQ(pair.model->forward_flops_per_token(8).total(), whole_neox);
  // One segment of GPT-NeoX, out of it, into Mamba-2 and two segments of that with its head.
  pair.fix({{1, 0}, {0, 1}, {0, 1}});
  const double expected = (whole_neox - 2 * 90 * 16) / 3 + 2 * (2 * 16 * 16) +
                          (whole_mamba - 2 * 90 * 16) * 2 / 3 + 2 * 90 * 16;
  EXPECT_DOUBLE_EQ(pair.model->forward_flops_per_token(8).total(), expected);
}

TEST(Flops, PartlyTrainedBlocks) {
  const auto llama =
      tied("llama", {{"width", 16}, {"layers", 2}, {"heads", 2}, {"mlp", 24}}, /*rows=*/90);
  for (const ParameterPtr& parameter : llama->parameters()) {
    parameter->trainable = parameter->name == "model.layers.1.mlp.up_proj.weight";
  }
  const double block = 2 * (4 * 16 * 16 + 3 * 16 * 24), up = 2 * 16 * 24;
  const double attention = 2 * 2 * 16 * 4;
  const ForwardFlops first = block_flops_per_token(*llama, 0, 1, 8);
  EXPECT_DOUBLE_EQ(first.frozen, block);
  EXPECT_EQ(first.trained, 0);
  EXPECT_DOUBLE_EQ(first.mixing, attention);
  const ForwardFlops second = block_flops_per_token(*llama, 1, 2, 8);
  EXPECT_DOUBLE_EQ(second.frozen, block - up);
  EXPECT_DOUBLE_EQ(second.trained, up);
  // Nothing trains below `up`, and beside it lies the gate of the same size.
  const double below = block + 2 * attention + 2 * (4 * 16 * 16) + up, down = up;
  EXPECT_DOUBLE_EQ(SingleModel(llama).forward_flops_per_token(8).training(),
                   below + 2 * up + 2 * down + 2 * (2 * 90 * 16));
}

TEST(Flops, BackwardGoesAsFarDownAsSomethingTrains) {
  const FamilyRegistry registry = all_families();
  const Family& family = registry.by_name("gpt_neox");
  const nlohmann::json settings = {{"width", 16},      {"layers", 2},       {"heads", 2},
                                   {"vocabulary", 90}, {"parallel", false}, {"tied", false}};
  SingleModel model(
      family.make(family.config_from_settings(settings, "test"), "test", DType::kFloat32));
  const double fused = 2 * 3 * 16 * 16, block = fused + 2 * (16 * 16 + 2 * 4 * 16 * 16);
  const double attention = 2 * 2 * 16 * 4, head = 2 * 90 * 16;
  const double forward = 2 * (block + attention) + head;
  const auto training = [&](const std::vector<std::string>& groups) {
    train(model, groups);
    return model.forward_flops_per_token(8).training();
  };
  EXPECT_DOUBLE_EQ(training({}), forward);
  EXPECT_DOUBLE_EQ(training({"heads"}), forward + head);
  EXPECT_DOUBLE_EQ(training({"norms"}), 2 * forward + 2 * attention);
  EXPECT_DOUBLE_EQ(training({"embeddings"}), 2 * forward + 2 * attention);
  EXPECT_DOUBLE_EQ(training({"components"}), 3 * forward - fused - head);
  EXPECT_DOUBLE_EQ(training({"components", "norms"}), 3 * forward - head);
}

TEST(Flops, TheFirstSegmentsOfAHybridMayHaveNoBackward) {
  const Pair pair(16, 3, 2, 90, false);
  const double projector = 2 * 16 * 16, block = 2 * 12 * 16 * 16, attention = 2 * 2 * 16 * 4;
  const auto spared = [&](const std::vector<std::string>& groups) {
    train(*pair.model, groups);
    return pair.model->forward_flops_per_token(8).spared;
  };
  pair.fix({{0.5, 0.5}, {0.5, 0.5}, {0.5, 0.5}});
  EXPECT_DOUBLE_EQ(spared({"projectors"}), 2 * projector);  // into each component, first of all
  EXPECT_DOUBLE_EQ(spared({"embeddings"}), 0);
  // Two segments of GPT-NeoX alone, and out of the second through its projector.
  pair.fix({{1, 0}, {1, 0}, {0, 1}});
  EXPECT_DOUBLE_EQ(spared({"projectors"}), 2 * (block + 2 * attention) + projector);
  EXPECT_DOUBLE_EQ(spared({"norms"}), 0);
  train(*pair.model, {});
  const ForwardFlops flops = pair.model->forward_flops_per_token(8);
  EXPECT_DOUBLE_EQ(flops.training(), flops.total());
}

// Where gradients are said to go, against the tape itself.
TEST(Flops, GradientsCountWhereTheTapeLetsThemThrough) {
  const FamilyRegistry registry = all_families();
  for (const auto& family : registry.all()) {
    const auto component = test::tiny_model(*family, DType::kFloat32, 5);
    const TokenBatch batch{test::random_ids(1, 5, component->shape().vocabulary, 5), {}, 0};
    const std::int64_t blocks = component->shape().blocks;
    for (const std::string group : {"none", "embeddings", "norms", "components"}) {
      SCOPED_TRACE(family->name() + ", trained: " + group);
      for (const ParameterPtr& parameter : component->parameters()) {
        parameter->trainable = parameter->group == group;
      }
      Tape tape({});
      const ForwardContext context{tape, batch, nullptr};
      Variable hidden = component->embed(context);
      bool gradient = embedding_trains(*component);
      EXPECT_EQ(hidden.needs_gradient(), gradient);
      for (std::int64_t i = 0; i < blocks; ++i) {
        hidden = component->run(context, i, i + 1, hidden);
        const ForwardFlops flops = block_flops_per_token(*component, i, i + 1, 5, gradient);
        EXPECT_EQ(hidden.needs_gradient(), gradient) << "after block " << i;
        EXPECT_EQ(flops.training() > flops.total(), gradient) << "in block " << i;
      }
    }
  }
}

TEST(Flops, PackedWeightsCountAsTheMatricesThatTheyAre) {
  const FamilyRegistry registry = all_families();
  const Family& bitnet = registry.by_name("bitnet");
  nlohmann::json config = bitnet.tiny_config();
  const double latent =
      block_flops_per_token(*bitnet.make(config, "test", DType::kFloat32), 0, 2, 8).total();
  config["quantization_config"] = {{"quant_method", "bitnet"},
                                   {"linear_class", "autobitlinear"},
                                   {"quantization_mode", "offline"}};
  const auto packed = bitnet.make(config, "test", DType::kFloat32);
  EXPECT_DOUBLE_EQ(block_flops_per_token(*packed, 0, 2, 8).total(), latent);
}

// And not the tables of vectors: lower bounds of gates, decays of a scan.
TEST(Flops, OnlyProductsCount) {
  const auto mmfree = tied("mmfree", {{"width", 16}, {"layers", 2}, {"mlp", 24}}, 90);
  EXPECT_DOUBLE_EQ(block_flops_per_token(*mmfree, 0, 2, 8).total(),
                   2 * 2.0 * (4 * 16 * 16 + 3 * 16 * 24));
  const auto mamba = tied("mamba", {{"width", 16}, {"layers", 2}, {"state", 4}}, 90);
  const double rank = 1, inner = 32;
  const ForwardFlops flops = block_flops_per_token(*mamba, 1, 2, 8);
  EXPECT_DOUBLE_EQ(flops.frozen, 2 * (3 * 16 * inner + inner * (rank + 2 * 4) + rank * inner));
  EXPECT_DOUBLE_EQ(flops.mixing, 2 * inner * (4 + 3 * 4));
}

}  // namespace
}  // namespace peryton
