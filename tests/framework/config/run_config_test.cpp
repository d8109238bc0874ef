// SPDX-License-Identifier: Apache-2.0
#include "framework/config/run_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "framework/core/error.h"

namespace peryton {
namespace {

using ::testing::ElementsAre;

// What a person wants to write (docs/design.md), word for word.
constexpr const char* kExample = R"(run: {name: mix, seed: 0}
data:
  sources: [{path: my.jsonl, field: text}]
  split: {by: document, validation: 2%, test: 2%}
  tokenizer: pythia
components:
  pythia: {from: pythia-160m/}
  mamba: {from: mamba2-130m/, tokenizer: pythia}
hybrid: {segments: 6, gate: transition, embeddings: keep}
parallel: {data: 2}
train: {sequence: 512, global_batch: 16, precision: auto}
stages:
  - {kind: fit_projectors, tokens: 100k}
  - {kind: search, tokens: 200k, alpha: {method: softmax, lr: 1e-2}}
  - {kind: finetune, tokens: 400k, train: [projectors, norms], lr: 3e-4}
  - {kind: evaluate}
  - {kind: export, to: hf}
)";

std::vector<std::string> names(const RunConfig& config) {
  std::vector<std::string> result;
  for (const StageConfig& stage : config.stages) result.push_back(stage.name);
  return result;
}

TEST(RunConfig, TheExampleOfTheDesign) {
  const RunConfig config = parse_run_config(kExample, "my.yaml");
  EXPECT_EQ(config.run.name, "mix");
  EXPECT_EQ(config.run.folder, std::filesystem::current_path() / "runs/mix");
  EXPECT_EQ(config.data.sources.at(0).field, "text");
  EXPECT_EQ(config.data.split.validation, 0.02);
  EXPECT_EQ(config.data.tokenizer.kind, TokenizerSettings::Kind::kLoad);
  EXPECT_EQ(config.data.tokenizer.path, config.component("pythia").from);
  EXPECT_EQ(config.hybrid.segments, 6);
  EXPECT_THAT(config.hybrid.components, ElementsAre("pythia", "mamba"));
  EXPECT_THAT(names(config),
              ElementsAre("data", "fit_projectors", "search", "finetune", "evaluate", "export"));
  const StageConfig& search = config.stage("search");
  EXPECT_EQ(search.after, "fit_projectors");
  EXPECT_EQ(search.budget.tokens, 200'000);
  EXPECT_EQ(search.alpha->method, AlphaMethod::kSoftmax);
  EXPECT_EQ(search.alpha->lr, 1e-2);
  EXPECT_THAT(search.train, ElementsAre("alpha", "projectors"));
  EXPECT_EQ(search.settings.precision, Precision::kAuto);
  EXPECT_EQ(search.settings.micro_batch, 4);  // 8 rows a rank, 2048 tokens a forward
  const StageConfig& finetune = config.stage("finetune");
  EXPECT_EQ(finetune.settings.lr, 3e-4);
  EXPECT_EQ(finetune.settings.sequence, 512);
  EXPECT_FALSE(finetune.alpha.has_value());
  EXPECT_THAT(finetune.needs, ElementsAre("data", "fit_projectors", "search"));
  const std::vector<EvaluationRow> rows = {
      {"finetune", {"finetune"}}, {"pythia", {"pythia"}}, {"mamba", {"mamba"}}};
  EXPECT_EQ(config.stage("evaluate").evaluate.rows, rows);
  EXPECT_EQ(config.stage("export").after, "finetune");
}

TEST(RunConfig, ResolvedReadsBackToTheSame) {
  for (const char* file : {"configs/quickstart.yaml", "configs/tiny.yaml"}) {
    const RunConfig config = read_run_config(std::filesystem::path(PERYTON_SOURCE_DIR) / file);
    const std::string text = resolved_yaml(config);
    const RunConfig again = parse_run_config(text, "resolved");
    EXPECT_EQ(resolved_yaml(again), text);
    ASSERT_EQ(again.stages.size(), config.stages.size());
    for (std::size_t i = 0; i < config.stages.size(); ++i) {
      EXPECT_EQ(again.stages[i].settings, config.stages[i].settings) << config.stages[i].name;
      EXPECT_EQ(again.stages[i].needs, config.stages[i].needs);
      EXPECT_EQ(again.stages[i].budget_only, config.stages[i].budget_only);
      EXPECT_EQ(again.stages[i].alpha, config.stages[i].alpha);
      EXPECT_EQ(again.stages[i].evaluate, config.stages[i].evaluate);
    }
  }
}

TEST(RunConfig, QuickstartLinks) {
  const RunConfig config =
      read_run_config(std::filesystem::path(PERYTON_SOURCE_DIR) / "configs/quickstart.yaml");
  EXPECT_EQ(config.stages.size(), 15u);
  EXPECT_EQ(config.stage("pretrain-mamba").model, "mamba");
  EXPECT_EQ(config.stage("uniform").after, "train_projectors");
  EXPECT_THAT(config.stage("uniform").budget_only, ElementsAre("search", "finetune"));
  EXPECT_EQ(config.stage("alone-neox").after, "pretrain-neox");
  EXPECT_EQ(config.stage("search").component_stages.at("neox"), "pretrain-neox");
  EXPECT_THAT(config.stage("equal-flops").best_of, ElementsAre("alone-neox", "alone-mamba"));
  EXPECT_THAT(config.stage("evaluate").evaluate.rows.back().models,
              ElementsAre("alone-neox", "alone-mamba"));
  EXPECT_THAT(config.stage("generate").generate.models,
              ElementsAre("finetune", "alone-neox", "alone-mamba"));
}

// A component alone, without `hybrid:`.
constexpr const char* kSmall = R"(run: {name: small}
data: {sources: [a.txt]}
components: {neox: {family: gpt_neox, width: 32, layers: 2}}
train: {sequence: 64, global_batch: 8}
stages:
  - {kind: pretrain, steps: 10}
  - {kind: finetune, steps: 5}
)";

TEST(RunConfig, OneComponent) {
  const RunConfig config = parse_run_config(kSmall, "s.yaml");
  EXPECT_FALSE(config.has_hybrid());
  EXPECT_THAT(names(config), ElementsAre("data", "pretrain-neox", "finetune"));
  EXPECT_EQ(config.stage("finetune").model, "neox");
  EXPECT_EQ(config.stage("finetune").after, "pretrain-neox");
  EXPECT_EQ(config.component("neox").settings, nlohmann::json({{"width", 32}, {"layers", 2}}));
  EXPECT_EQ(config.data.tokenizer.kind, TokenizerSettings::Kind::kByte);
}

TEST(RunConfig, StagesAreSortedByWhatTheyNeed) {
  const RunConfig config = parse_run_config(R"(run: {name: s}
data: {sources: [a.txt]}
components: {neox: {family: gpt_neox}}
stages:
  - {kind: finetune, name: second, steps: 5, after: first}
  - {kind: pretrain, name: first, model: neox, steps: 10}
)",
                                            "s.yaml");
  EXPECT_THAT(names(config), ElementsAre("data", "first", "second"));
}

TEST(Overrides, ReachEveryPlace) {
  const RunConfig config =
      parse_run_config(kExample, "my.yaml",
                       {"train.lr=5e-4", "stages.1.alpha.lr=0.5", "stages[2].lr=1e-5",
                        "stages.search.tokens=1M", "run.folder=/tmp/elsewhere", "parallel.data=4",
                        "data.sources=[x.txt, y.txt]", "report.title=A B"});
  EXPECT_EQ(config.train.lr, 5e-4);
  EXPECT_EQ(config.stage("search").alpha->lr, 0.5);
  EXPECT_EQ(config.stage("search").budget.tokens, 1'000'000);
  EXPECT_EQ(config.stage("finetune").settings.lr, 1e-5);
  EXPECT_EQ(config.run.folder, "/tmp/elsewhere");
  EXPECT_EQ(config.parallel.data, 4);
  EXPECT_EQ(config.data.sources.size(), 2u);
  EXPECT_EQ(config.report.title, "A B");
}

TEST(Overrides, TheLastWins) {
  EXPECT_EQ(parse_run_config(kExample, "my.yaml", {"run.seed=1", "run.seed=2"}).run.seed, 2u);
}

}  // namespace
}  // namespace peryton
