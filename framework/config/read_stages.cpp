// Stages as written; link_stages.cpp puts them together.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "framework/config/reader.h"

namespace peryton {
namespace {

// Keys of some kinds only, for hints about keys in the wrong place.
const std::map<std::string, std::string>& keys_elsewhere() {
  static const std::map<std::string, std::string> table = {
      {"models", "to stages of kind evaluate and generate"},
      {"split", "to stages of kind evaluate"},
      {"bootstrap", "to stages of kind evaluate"},
      {"prompts", "to stages of kind generate"},
      {"length", "to stages of kind generate"},
      {"temperature", "to stages of kind generate, or under 'alpha'"},
      {"top_k", "to stages of kind generate"},
      {"top_p", "to stages of kind generate"},
      {"to", "to stages of kind export"},
      {"mode", "to stages of kind search"},
      {"ridge", "to stages of kind fit_projectors"},
      {"method", "under 'alpha'"},
      {"values", "under 'alpha'"},
      {"patience", "under 'early_stopping'"},
      {"every", "under 'checkpoint' or 'validation'"},
      {"keep_last", "under 'checkpoint'"},
      {"keep_best", "under 'checkpoint'"},
      {"train", "to stages that train"},
      {"match", "to stages that train"},
      {"of", "to stages that train"},
      {"steps", "to stages that train"},
      {"tokens", "to stages that read text"},
      {"lr", "to stages that train"}};
  return table;
}

void read_budget(const Node& node, BudgetConfig& budget) {
  const int given = int{node.has("tokens")} + int{node.has("steps")} + int{node.has("match")};
  node.count("tokens", budget.tokens, 1);
  node.count("steps", budget.steps, 1);
  node.choice("match", budget.match);
  node.texts("of", budget.of);
  if (given > 1) {
    node.mistake("a stage has one budget: 'tokens', 'steps' or 'match'", "remove the others");
  } else if (given == 0) {
    node.mistake("'" + node.path() + "' does not say how long it trains",
                 "add tokens: 5M, or steps: 200, or match: tokens with of: [stages]");
  }
  if (node.has("match") != node.has("of")) {
    node.mistake(
        "'match' and 'of' go together",
        "match: tokens, of: [search, finetune] trains on as many tokens as these two together");
  }
}

void read_train_groups(const Node& node, std::vector<std::string>& train) {
  node.texts("train", train);
  if (train == std::vector<std::string>{"all"}) train = train_groups();
  for (const std::string& group : train) {
    const auto& known = train_groups();
    if (std::find(known.begin(), known.end(), group) != known.end()) continue;
    node.at("train").mistake("unknown group '" + group + "' in '" + node.path() + ".train'",
                             suggest(group, known));
  }
}

void read_rows(const Node& node, std::vector<EvaluationRow>& rows) {
  if (!node.is_map()) {
    std::vector<std::string> names;
    node.to_texts(names);
    for (const std::string& name : names) rows.push_back({name, {name}});
    return;
  }
  for (const auto& [name, row] : node.pairs()) {
    EvaluationRow& target = rows.emplace_back();
    target.name = name;
    if (row.is_map()) {
      row.texts("average", target.models);
      if (!row.has("average"))
        row.mistake("'" + row.path() + "' needs 'average'",
                    "a row is a stage's name, or {average: [stages]}");
      row.finish();
    } else {
      target.models.emplace_back();
      row.to_text(target.models.back());
    }
  }
}

void read_evaluate(const Node& node, EvaluateConfig& evaluate) {
  if (const Node models = node.at("models")) read_rows(models, evaluate.rows);
  node.text("split", evaluate.split);
  if (evaluate.split != "train" && evaluate.split != "validation" && evaluate.split != "test") {
    node.at("split").mistake("unknown split '" + evaluate.split + "'",
                             suggest(evaluate.split, {"train", "validation", "test"}));
  }
  node.count("tokens", evaluate.tokens, 0);
  node.count("bootstrap", evaluate.bootstrap, 0, 10'000'000);
}

void read_generate(const Node& node, GenerateConfig& generate) {
  node.texts("models", generate.models);
  node.texts("prompts", generate.prompts);
  node.count("length", generate.length, 1, 1 << 20);
  node.number("temperature", generate.temperature, 0.0, 1000.0);
  node.count("top_k", generate.top_k, 0, 1 << 24);
  node.number("top_p", generate.top_p, 1e-6, 1.0);
}

void read_training(const Node& node, StageConfig& stage) {
  read_budget(node, stage.budget);
  read_train_groups(node, stage.train);
  read_train(node, stage.settings);
  const Node alpha = node.section("alpha");
  if (stage.kind == StageKind::kSearch) {
    stage.alpha.emplace();
    node.choice("mode", stage.mode);
  }
  if (!alpha) return;
  if (!stage.alpha) stage.alpha.emplace();
  read_alpha(alpha, *stage.alpha);
}

void read_start(const Node& node, WrittenStage& stage) {
  node.text("name", stage.config.name);
  stage.named = !stage.config.name.empty();
  if (stage.config.kind == StageKind::kEvaluate || stage.config.kind == StageKind::kGenerate)
    return;
  node.texts("each", stage.each);
  if (const Node after = node.at("after")) after.to_text(stage.config.after);
  const Node model = node.at("model");
  if (!model) return;
  if (!model.is_map()) {
    model.to_text(stage.config.model);
  } else {
    model.texts("best_of", stage.config.best_of);
    if (!model.has("best_of")) model.mistake("'" + model.path() + "' needs 'best_of'");
    model.finish();
  }
  if (node.has("each")) model.mistake("'model' and 'each' exclude each other");
}

void read_kind(const Node& node, StageConfig& stage) {
  switch (stage.kind) {
    case StageKind::kData:
      break;
    case StageKind::kPretrain:
    case StageKind::kTrainProjectors:
    case StageKind::kSearch:
    case StageKind::kFinetune:
      read_training(node, stage);
      break;
    case StageKind::kFitProjectors:
      stage.budget.tokens = 100'000;
      node.count("tokens", stage.budget.tokens, 1);
      node.number("ridge", stage.ridge, 0.0, 1e6);
      read_batch(node, stage.settings);
      break;
    case StageKind::kDiscretise:
      break;
    case StageKind::kEvaluate:
      read_evaluate(node, stage.evaluate);
      read_batch(node, stage.settings);
      break;
    case StageKind::kGenerate:
      read_generate(node, stage.generate);
      break;
    case StageKind::kExport:
      node.text("to", stage.to);
      node.choice("weights", stage.weights);
      break;
  }
}

}  // namespace

std::vector<WrittenStage> read_stages(const Node& list, const TrainConfig& defaults) {
  std::vector<WrittenStage> stages;
  if (list && !list.is_list()) {
    list.mistake("'stages' must be a list", "each stage is a line that begins with '- {kind: ...'");
  }
  for (const Node& node : list.items()) {
    if (!node.is_map() || !node.has("kind")) {
      node.mistake("'" + node.path() + "' must be a map with a 'kind'",
                   "for example {kind: evaluate}");
      continue;
    }
    WrittenStage stage{.config = {}, .each = {}, .named = false, .node = node};
    stage.config.where = node.where();
    stage.config.settings = defaults;
    constexpr auto kUnknown = StageKind::kData;
    stage.config.kind = kUnknown;
    node.choice("kind", stage.config.kind);
    if (stage.config.kind == kUnknown) continue;
    read_start(node, stage);
    read_kind(node, stage.config);
    node.finish(keys_elsewhere());
    stages.push_back(std::move(stage));
  }
  return stages;
}

}  // namespace peryton
