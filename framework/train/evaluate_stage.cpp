// Body of evaluate: the table of rows, written to evaluation.json (docs/run_folder.md).
// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <numbers>

#include "framework/checkpoint/files.h"
#include "framework/data/prepare.h"
#include "framework/eval/scoring.h"
#include "framework/train/machine.h"
#include "framework/train/model_builder.h"
#include "framework/train/stage_bodies.h"

namespace peryton {
namespace {

// A model of the table, scored once however many rows use it.
struct ScoredModel {
  std::vector<double> nll;
  std::int64_t parameters = 0, trainable_parameters = 0;
  double training_tokens = 0, training_flops = 0, flops_per_token = 0;
  std::vector<std::vector<double>> alpha;
};

bool is_component(const StageContext& context, const std::string& name) {
  return !context.inputs.contains(name);
}

// Adds what the stage and those that it went on from spent; pretraining is not part of a row's
// budget.
void add_training(const StageContext& context, const std::string& name, ScoredModel& scored) {
  for (std::string at = name; !at.empty();) {
    const StageConfig& stage = context.config.stage(at);
    if (stage.kind == StageKind::kPretrain) return;
    const std::filesystem::path folder = context.run_folder / "stages" / at;
    const StageResult spent = read_stage_result(folder);
    scored.training_tokens += static_cast<double>(spent.tokens);
    scored.training_flops += spent.flops;
    scored.trainable_parameters = std::max<std::int64_t>(
        scored.trainable_parameters, spent.extra.value("trainable_parameters", std::int64_t{0}));
    at = stage.after;
  }
}

std::filesystem::path split_file(const StageContext& context, const PreparedData& data) {
  const std::string& split = context.stage.evaluate.split;
  const std::filesystem::path file = split == "test"         ? data.test
                                     : split == "validation" ? data.validation
                                                             : data.train.front().path;
  if (!file.empty()) return file;
  fail_input(fmt::format("the data has no {} split", split), context.stage.where,
             fmt::format("set data.split.{} above 0", split));
}

ScoredModel score(StageContext& context, const FamilyRegistry& registry, const EvaluationRows& rows,
                  const std::string& name, std::int64_t vocabulary) {
  const std::filesystem::path folder = is_component(context, name)
                                           ? component_folder(context, name)
                                           : context.inputs.at(name) / "model";
  StoredModel stored = load_model(folder, registry, only_read(vocabulary));
  pack_frozen(stored, /*saved_again=*/false);
  const auto length = context.stage.settings.sequence;
  ScoredModel scored;
  scored.parameters = parameter_count(*stored.model);
  scored.flops_per_token = stored.model->forward_flops_per_token(length).total();
  scored.alpha = stored.model->alpha();
  if (!is_component(context, name)) add_training(context, name, scored);
  scored.nll = target_nll(*stored.model, rows, context.stage.evaluate.tokens / length,
                          context.world, {.device = {}, .threads = context.threads});
  return scored;
}

nlohmann::ordered_json row_json(const std::vector<const ScoredModel*>& models,
                                const DocumentSums& sums, const EvaluateConfig& config,
                                std::uint64_t seed) {
  nlohmann::ordered_json row;
  const double loss = total_nats(sums) / static_cast<double>(sums.tokens);
  const auto interval = bits_per_byte_interval(sums, config.bootstrap, seed);
  row["loss"] = loss;
  row["perplexity"] = std::exp(loss);
  row["bits_per_byte"] = bits_per_byte(sums);
  row["bits_per_byte_interval"] = {interval.first, interval.second};
  row["tokens"] = sums.tokens;
  ScoredModel all;
  for (const ScoredModel* model : models) {
    all.parameters += model->parameters;
    all.trainable_parameters += model->trainable_parameters;
    all.training_tokens += model->training_tokens;
    all.training_flops += model->training_flops;
    all.flops_per_token += model->flops_per_token;
  }
  row["parameters"] = all.parameters;
  row["trainable_parameters"] = all.trainable_parameters;
  row["training_tokens"] = static_cast<std::int64_t>(all.training_tokens);
  row["training_flops"] = all.training_flops;
  row["flops_per_token"] = all.flops_per_token;
  if (models.size() == 1 && !models.front()->alpha.empty()) {
    row["alpha_distance_from_uniform"] = distance_from_uniform(models.front()->alpha);
  }
  return row;
}

}  // namespace

StageResult run_evaluate_stage(StageContext& context) {
  const EvaluateConfig& config = context.stage.evaluate;
  const PreparedData data = open_prepared_data(context.inputs.at("data"));
  const auto file = TokenFile::open(split_file(context, data));
  const EvaluationRows rows(file, static_cast<int>(context.stage.settings.sequence));
  const FamilyRegistry registry = all_families();

  std::map<std::string, ScoredModel> scored;
  for (const EvaluationRow& row : config.rows) {
    for (const std::string& name : row.models) {
      if (scored.contains(name)) continue;
      if (asked_to_stop(context)) return {.status = StageStatus::kStopped};
      scored.emplace(name, score(context, registry, rows, name, file->vocabulary_size()));
    }
  }
  nlohmann::ordered_json table = nlohmann::ordered_json::object();
  DocumentSums first;
  for (const EvaluationRow& row : config.rows) {
    std::vector<const ScoredModel*> models;
    std::vector<std::vector<double>> nll;
    for (const std::string& name : row.models) {
      models.push_back(&scored.at(name));
      nll.push_back(scored.at(name).nll);
    }
    const DocumentSums sums = per_document(rows, nll.size() == 1 ? nll.front() : averaged_nll(nll));
    table[row.name] = row_json(models, sums, config, context.config.run.seed);
    if (table.size() == 1) {
      first = sums;
      continue;
    }
    const auto interval =
        difference_interval(sums, first, config.bootstrap, context.config.run.seed);
    table[row.name]["difference_to_hybrid"] = {
        {"bits_per_byte", bits_per_byte(sums) - bits_per_byte(first)},
        {"interval", {interval.first, interval.second}}};
  }
  StageResult result;
  result.final_loss = result.best_loss = table.front()["loss"].get<double>();
  result.outputs = {"evaluation.json"};
  result.peak_memory_bytes = static_cast<std::uint64_t>(peak_resident_bytes());
  if (context.world.rank() == 0) {
    atomic_write_file(context.stage_folder / "evaluation.json", table.dump(1) + "\n");
  }
  context.world.barrier();
  return result;
}

}  // namespace peryton
