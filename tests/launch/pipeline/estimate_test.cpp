// SPDX-License-Identifier: Apache-2.0
#include "launch/pipeline/estimate.h"

#include <gtest/gtest.h>

namespace peryton {
namespace {

RunConfig config(const std::vector<std::string>& overrides = {}) {
  return parse_run_config(R"(run: {name: t}
data: {sources: [a.txt]}
components:
  a: {family: gpt_neox, width: 32, layers: 2, heads: 2}
  b: {family: mamba2, width: 32, layers: 2}
hybrid: {segments: 2}
train: {sequence: 32, global_batch: 4}
stages:
  - {kind: pretrain, steps: 3}
  - {kind: search, steps: 2}
  - {kind: finetune, match: flops, of: [search]}
  - {kind: evaluate}
)",
                          "t.yaml", overrides);
}

StageEstimate estimate(const RunConfig& config, const std::string& stage) {
  return estimate_stage(config, config.stage(stage), all_families()).value();
}

TEST(Estimate, ParametersOfAHybridAreItsParts) {
  const RunConfig plan = config();
  const StageEstimate a = estimate(plan, "pretrain-a"), b = estimate(plan, "pretrain-b");
  EXPECT_EQ(a.parameters, a.trainable);
  const StageEstimate search = estimate(plan, "search");
  // Two segments, two components, in and out: affine maps of 32 x 32 with bias; and α.
  const std::int64_t projectors = 2 * 2 * 2 * (32 * 32 + 32);
  EXPECT_EQ(search.trainable, projectors + 2 * 2);
  EXPECT_EQ(search.parameters - search.trainable, a.parameters + b.parameters);
}

TEST(Estimate, CostsFollowTheBudget) {
  const StageEstimate two = estimate(config(), "search");
  const StageEstimate four = estimate(config({"stages.search.steps=4"}), "search");
  EXPECT_DOUBLE_EQ(four.flops, 2 * two.flops);
  EXPECT_EQ(four.memory, two.memory);
  EXPECT_DOUBLE_EQ(estimate(config(), "finetune").flops, two.flops);  // match: flops
  EXPECT_GT(estimate(config({"train.sequence=512"}), "search").memory, two.memory);
}

TEST(Estimate, SharedTablesAreOneAndHaveOneHead) {
  const std::vector<std::string> byte{"data.tokenizer=byte"};
  const StageEstimate keep = estimate(config(byte), "search");
  const StageEstimate shared =
      estimate(config({byte.front(), "hybrid.embeddings=shared"}), "search");
  const StageEstimate fresh = estimate(config({byte.front(), "hybrid.embeddings=fresh"}), "search");
  EXPECT_EQ(fresh.parameters - shared.parameters, 257 * 32);
  const double tokens = 2 * 4 * 32;
  EXPECT_DOUBLE_EQ(fresh.flops - shared.flops, 2 * tokens * 2 * 257 * 32);
  EXPECT_DOUBLE_EQ(keep.flops, fresh.flops);
  // One frozen table less, and instead of two matrices of logits and their mixture one.
  EXPECT_EQ(fresh.memory - shared.memory, 4 * 257 * 32 + 2 * 4 * (4 * 32) * 257);
}

TEST(Estimate, StagesWithoutAModel) {
  const RunConfig plan = config();
  EXPECT_FALSE(estimate_stage(plan, plan.stage("data"), all_families()).has_value());
  EXPECT_FALSE(estimate_stage(plan, plan.stage("evaluate"), all_families()).has_value());
}

}  // namespace
}  // namespace peryton
