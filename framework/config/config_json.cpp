// SPDX-License-Identifier: Apache-2.0
#include "framework/config/config_json.h"

#include <fmt/format.h>

#include "framework/config/enum_names.h"
#include "framework/config/units.h"

namespace peryton {
namespace {

// "50" or "2%". The percentage is printed so that it reads back to the same fraction.
OrderedJson interval_json(const Interval& interval) {
  if (interval.steps > 0 || interval.fraction == 0.0) return interval.steps;
  std::string text;
  for (int digits = 3; digits <= 17 && parse_interval(text) != interval; ++digits) {
    text = fmt::format("{:.{}g}%", interval.fraction * 100.0, digits);
  }
  return text;
}

OrderedJson rows_json(const std::vector<EvaluationRow>& rows) {
  OrderedJson json = OrderedJson::object();
  for (const EvaluationRow& row : rows) {
    if (row.models.size() == 1) {
      json[row.name] = row.models.front();
    } else {
      json[row.name] = OrderedJson{{"average", row.models}};
    }
  }
  return json;
}

void add_budget(const BudgetConfig& budget, OrderedJson& json) {
  if (budget.tokens > 0) json["tokens"] = budget.tokens;
  if (budget.steps > 0) json["steps"] = budget.steps;
  if (budget.match == MatchBy::kNothing) return;
  json["match"] = name_of(budget.match);
  json["of"] = budget.of;
}

void add_batch(const TrainConfig& train, OrderedJson& json) {
  json["sequence"] = train.sequence;
  json["global_batch"] = train.global_batch;
  if (train.micro_batch > 0) json["micro_batch"] = train.micro_batch;
  json["precision"] = name_of(train.precision);
}

void add_evaluate(const EvaluateConfig& evaluate, OrderedJson& json) {
  json["models"] = rows_json(evaluate.rows);
  json["split"] = evaluate.split;
  json["tokens"] = evaluate.tokens;
  json["bootstrap"] = evaluate.bootstrap;
}

void add_generate(const GenerateConfig& generate, OrderedJson& json) {
  json["models"] = generate.models;
  if (!generate.prompts.empty()) json["prompts"] = generate.prompts;
  json["length"] = generate.length;
  json["temperature"] = generate.temperature;
  json["top_k"] = generate.top_k;
  json["top_p"] = generate.top_p;
}

OrderedJson tokenizer_json(const TokenizerSettings& tokenizer) {
  switch (tokenizer.kind) {
    case TokenizerSettings::Kind::kByte:
      return "byte";
    case TokenizerSettings::Kind::kLoad:
      return {{"path", tokenizer.path}};
    case TokenizerSettings::Kind::kTrainBpe:
      return {{"train", "bpe"},
              {"vocabulary", tokenizer.vocabulary},
              {"split_digits", tokenizer.split_digits}};
  }
  return nullptr;
}

}  // namespace

OrderedJson to_json(const TrainConfig& train) {
  OrderedJson json = OrderedJson::object();
  add_batch(train, json);
  json["lr"] = train.lr;
  json["schedule"] = name_of(train.schedule);
  json["warmup"] = interval_json(train.warmup);
  json["decay"] = interval_json(train.decay);
  json["lr_end"] = train.lr_end;
  json["weight_decay"] = train.weight_decay;
  json["clip"] = train.clip;
  json["beta1"] = train.beta1;
  json["beta2"] = train.beta2;
  json["epsilon"] = train.epsilon;
  if (!train.groups.empty()) json["groups"] = OrderedJson::object();
  for (const auto& [name, group] : train.groups) {
    OrderedJson& entry = json["groups"][name] = OrderedJson::object();
    if (group.lr) entry["lr"] = *group.lr;
    if (group.weight_decay) entry["weight_decay"] = *group.weight_decay;
    if (group.clip) entry["clip"] = *group.clip;
  }
  json["validation"] = {{"every", interval_json(train.validation.every)},
                        {"tokens", train.validation.tokens}};
  json["checkpoint"] = {{"every", interval_json(train.checkpoint.every)},
                        {"keep_last", train.checkpoint.keep_last},
                        {"keep_best", train.checkpoint.keep_best}};
  json["early_stopping"] = {{"patience", train.early_stopping.patience},
                            {"minimum_gain", train.early_stopping.minimum_gain}};
  json["log_every"] = train.log_every;
  json["recompute"] = train.recompute;
  return json;
}

OrderedJson to_json(const AlphaConfig& alpha) {
  OrderedJson json = {
      {"method", name_of(alpha.method)}, {"lr", alpha.lr}, {"temperature", alpha.temperature}};
  if (!alpha.values.empty()) json["values"] = alpha.values;
  if (alpha.uniform) json["uniform"] = true;
  return json;
}

OrderedJson to_json(const HybridConfig& hybrid) {
  return {{"components", hybrid.components},
          {"segments", hybrid.segments},
          {"width", hybrid.width},
          {"gate", name_of(hybrid.gate)},
          {"embeddings", name_of(hybrid.embeddings)},
          {"projectors",
           {{"variant", name_of(hybrid.projectors)}, {"init", name_of(hybrid.projector_init)}}},
          {"fidelity", name_of(hybrid.fidelity)},
          {"alpha", to_json(hybrid.alpha)}};
}

OrderedJson to_json(const ComponentConfig& component) {
  OrderedJson json = OrderedJson::object();
  if (component.pretrained()) json["from"] = component.from;
  if (!component.pretrained()) json["family"] = component.family;
  for (const auto& [key, value] : component.settings.items()) json[key] = value;
  if (!component.tokenizer.empty()) json["tokenizer"] = component.tokenizer;
  return json;
}

OrderedJson to_json(const DataSettings& data) {
  OrderedJson json = {{"sources", OrderedJson::array()}};
  for (const SourceSettings& source : data.sources) {
    OrderedJson entry = {{"path", source.path}, {"field", source.field}};
    if (!source.prompt_field.empty()) entry["prompt_field"] = source.prompt_field;
    if (!source.completion_field.empty()) entry["completion_field"] = source.completion_field;
    entry["weight"] = source.weight;
    entry["documents"] = source.documents;
    json["sources"].push_back(entry);
  }
  json["split"] = {{"by", "document"},
                   {"validation", data.split.validation},
                   {"test", data.split.test},
                   {"near_duplicates", data.split.near_duplicates}};
  json["tokenizer"] = tokenizer_json(data.tokenizer);
  return json;
}

OrderedJson to_json(const StageConfig& stage) {
  OrderedJson json = {{"kind", name_of(stage.kind)}, {"name", stage.name}};
  if (!stage.model.empty()) json["model"] = stage.model;
  if (!stage.best_of.empty()) json["model"] = {{"best_of", stage.best_of}};
  if (!stage.after.empty()) json["after"] = stage.after;
  if (stage.trains() || stage.kind == StageKind::kFitProjectors) add_budget(stage.budget, json);
  if (stage.trains()) {
    json["train"] = stage.train;
    if (stage.kind == StageKind::kSearch) json["mode"] = name_of(stage.mode);
    if (stage.alpha) json["alpha"] = to_json(*stage.alpha);
    const OrderedJson settings = to_json(stage.settings);
    for (const auto& [key, value] : settings.items()) json[key] = value;
    return json;
  }
  if (stage.kind == StageKind::kFitProjectors) json["ridge"] = stage.ridge;
  if (stage.kind == StageKind::kEvaluate) add_evaluate(stage.evaluate, json);
  if (stage.kind == StageKind::kGenerate) add_generate(stage.generate, json);
  if (stage.kind == StageKind::kExport && !stage.to.empty()) json["to"] = stage.to;
  if (stage.weights != ExportWeights::kAsTrained) json["weights"] = name_of(stage.weights);
  if (stage.kind == StageKind::kFitProjectors || stage.kind == StageKind::kEvaluate) {
    add_batch(stage.settings, json);
  }
  return json;
}

OrderedJson to_json(const RunConfig& config) {
  OrderedJson json;
  json["run"] = {
      {"name", config.run.name}, {"seed", config.run.seed}, {"folder", config.run.folder.string()}};
  if (!config.data.sources.empty()) json["data"] = to_json(config.data);
  json["components"] = OrderedJson::object();
  for (const ComponentConfig& component : config.components) {
    json["components"][component.name] = to_json(component);
  }
  if (config.has_hybrid()) json["hybrid"] = to_json(config.hybrid);
  json["parallel"] = {{"data", config.parallel.data},
                      {"component", config.parallel.component},
                      {"tensor", config.parallel.tensor},
                      {"threads", config.parallel.threads}};
  json["train"] = to_json(config.train);
  json["stages"] = OrderedJson::array();
  for (const StageConfig& stage : config.stages) {
    if (stage.kind != StageKind::kData) json["stages"].push_back(to_json(stage));
  }
  if (!config.report.title.empty()) json["report"] = {{"title", config.report.title}};
  return json;
}

std::string resolved_yaml(const RunConfig& config) { return yaml_text(to_json(config)); }

}  // namespace peryton
