// `precision: auto`: measured once, kept in checkpoints, one choice for all ranks.
// SPDX-License-Identifier: Apache-2.0
#include "framework/train/precision.h"

#include <gtest/gtest.h>

#include "framework/checkpoint/checkpoint.h"
#include "framework/checkpoint/files.h"
#include "framework/comm/world.h"
#include "framework/config/run_config.h"
#include "framework/data/prepare.h"
#include "kernels/gemm/gemm.h"
#include "tests/framework/train/stage_support.h"

namespace peryton {
namespace {

RunConfig config_with(const std::string& precision) {
  return parse_run_config(
      "run: {name: precision}\n"
      "data:\n"
      "  sources: [{path: /usr/share/common-licenses/GPL-3, documents: blank_line}]\n"
      "  tokenizer: byte\n"
      "components:\n"
      "  neox: {family: gpt_neox, width: 16, layers: 2, heads: 2}\n"
      "train: {sequence: 16, global_batch: 2, lr: 1e-2, precision: " +
          precision +
          "}\n"
          "stages:\n"
          "  - {kind: pretrain, model: neox, steps: 5}\n",
      "precision.yaml");
}

class PrecisionOfStage : public testing::TestWithParam<std::string> {
 protected:
  PrecisionOfStage() : runner_("precision") {}

  StageResult run(const RunConfig& config, const std::string& where, bool stop = false) {
    if (!std::filesystem::exists(runner_.folder() / where)) {
      runner_.run(config, "data", where, *world_);
    }
    return runner_.run(config, "pretrain", where, *world_, stop);
  }
  std::string weights(const std::string& where) const {
    return read_file(runner_.folder() / where / "pretrain/model/model.safetensors");
  }
  nlohmann::json state(const std::string& where) const {
    const auto folder = runner_.folder() / where / "pretrain/checkpoints";
    return CheckpointStore(folder).latest()->state();
  }
  std::string stored(const std::string& where) const { return state(where).at("precision"); }

  // choose_precision() of ranks of which only the first sees the checkpoints of `where`.
  std::vector<PrecisionChoice> choices(const RunConfig& config, const std::string& where) const {
    const std::atomic<bool> stop = false;
    std::vector<PrecisionChoice> chosen(3);
    run_ranks(3, [&](Communicator& ranks) {
      const StageContext context{
          .config = config,
          .stage = config.stage("pretrain"),
          .run_folder = runner_.folder(),
          .stage_folder = runner_.folder() / (ranks.rank() == 0 ? where + "/pretrain" : "nothing"),
          .inputs = {},
          .world = ranks,
          .stop = stop};
      chosen[static_cast<std::size_t>(ranks.rank())] =
          choose_precision(context, all_families(), 257);
    });
    return chosen;
  }

  test::StageRunner runner_;
  std::unique_ptr<Communicator> world_ = self_communicator();
};

// Whatever this machine would measure, a checkpoint's choice holds, and so resuming is bitwise.
TEST_P(PrecisionOfStage, ResumesUnderTheCheckpointsChoice) {
  const RunConfig explicit_one = config_with(GetParam()), automatic = config_with("auto");
  run(explicit_one, "whole");
  EXPECT_EQ(run(explicit_one, "resumed", /*stop=*/true).steps, 1);
  EXPECT_EQ(run(automatic, "resumed", /*stop=*/true).steps, 2);
  EXPECT_EQ(stored("resumed"), GetParam());
  const StageResult end = run(automatic, "resumed");
  EXPECT_EQ(end.resumed_from, 2);
  EXPECT_EQ(weights("resumed"), weights("whole"));
}

INSTANTIATE_TEST_SUITE_P(Either, PrecisionOfStage, testing::Values("fp32", "bf16"));

TEST_F(PrecisionOfStage, AutoIsOneOfTheTwoAndIsStored) {
  run(config_with("auto"), "run");
  const std::string chosen = stored("run");
  ASSERT_TRUE(chosen == "fp32" || chosen == "bf16") << chosen;
  run(config_with(chosen), "explicit");
  EXPECT_EQ(weights("run"), weights("explicit"));
}

TEST_F(PrecisionOfStage, RanksTakeTheChoiceOfTheFirst) {
  run(config_with("bf16"), "run", /*stop=*/true);
  const PrecisionChoice want{Precision::kBf16, state("run").at("bf16_dots")};
  EXPECT_EQ(choices(config_with("auto"), "run"), std::vector(3, want));
}

// A processor without dot products goes on without them.
TEST_F(PrecisionOfStage, DotProductsOfACheckpointHoldWhereTheyArePossible) {
  CheckpointStore store(runner_.folder() / "run/pretrain/checkpoints", {});
  store.save(
      1, {},
      {.state = {{"precision", "bf16"}, {"bf16_dots", true}}, .metric = {}, .refers_to = {}});
  const PrecisionChoice want{Precision::kBf16, kernels::has_bf16_dots()};
  EXPECT_EQ(choices(config_with("auto"), "run"), std::vector(3, want));
  EXPECT_EQ(choices(config_with("bf16"), "run"), std::vector(3, want));
}

TEST(PrecisionTimes, WhatIsLessExactHasToBeFasterByMoreThanNoise) {
  constexpr PrecisionChoice kPlain, kWidened{Precision::kBf16, false},
      kDots{Precision::kBf16, true};
  const auto fastest = [](PrecisionTimes times) { return times.fastest(Precision::kAuto); };
  EXPECT_EQ(fastest({.fp32 = 1.0, .bf16 = 0.8}), kWidened);
  EXPECT_EQ(fastest({.fp32 = 1.0, .bf16 = 0.99}), kPlain);
  EXPECT_EQ(fastest({.fp32 = 0.8, .bf16 = 1.0}), kPlain);
  EXPECT_EQ(fastest({.fp32 = 1.0, .bf16 = 1.2, .bf16_dots = 0.6}), kDots);
  EXPECT_EQ(fastest({.fp32 = 1.0, .bf16 = 0.8, .bf16_dots = 0.79}), kWidened);
  EXPECT_EQ(fastest({.fp32 = 1.0, .bf16 = 1.2, .bf16_dots = 0.99}), kPlain);
  EXPECT_EQ((PrecisionTimes{1.0, 1.2, 0.99}.fastest(Precision::kBf16)), kDots);
  EXPECT_EQ((PrecisionTimes{1.0, 1.2, 1.3}.fastest(Precision::kBf16)), kWidened);
}

TEST(StepProducts, AreThoseOfTheModel) {
  const RunConfig config = config_with("auto");
  const std::atomic<bool> stop = false;
  const auto world = self_communicator();
  const StageContext context{.config = config,
                             .stage = config.stage("pretrain"),
                             .run_folder = {},
                             .stage_folder = {},
                             .inputs = {},
                             .world = *world,
                             .stop = stop};
  const auto products = step_products(context, all_families(), 257);
  std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t> counts;
  for (const StepProduct& product : products) {
    EXPECT_EQ(product.rows, 2 * 16);
    counts[{product.out, product.in}] = product.count;
  }
  const decltype(counts) want{
      {{257, 16}, 1}, {{48, 16}, 2}, {{16, 16}, 2}, {{64, 16}, 2}, {{16, 64}, 2}};
  EXPECT_EQ(counts, want);
  const PrecisionTimes times = measure_precision(products, {}, kernels::has_bf16_dots());
  EXPECT_GT(times.fp32, 0);
  EXPECT_GT(times.bf16, 0);
}

}  // namespace
}  // namespace peryton
