// summary.json to and from RunSummary.
// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "framework/core/error.h"
#include "launch/report/run_files.h"
#include "launch/report/summary.h"

namespace peryton {

namespace {

template <typename Number>
Json or_null(const std::optional<Number>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json interval_json(const Estimate& estimate) {
  if (!estimate.interval) return nullptr;
  return Json::array({estimate.interval->first, estimate.interval->second});
}

Estimate estimate_from(const Json& object, const std::string& value, const std::string& interval) {
  Estimate estimate{number_of(object, value, std::nan("")), std::nullopt};
  const auto found = object.find(interval);
  if (found == object.end() || !found->is_array() || found->size() != 2) return estimate;
  if ((*found)[0].is_number() && (*found)[1].is_number()) {
    estimate.interval = {(*found)[0].get<double>(), (*found)[1].get<double>()};
  }
  return estimate;
}

Json stage_json(const StageSummary& stage) {
  return {{"name", stage.name},
          {"kind", stage.kind},
          {"status", stage.status},
          {"seconds", stage.seconds},
          {"steps", stage.steps},
          {"tokens", stage.tokens},
          {"tokens_per_second", stage.tokens_per_second},
          {"final_loss", or_null(stage.final_loss)},
          {"peak_memory_bytes", stage.peak_memory_bytes},
          {"resumed_from", stage.resumed_from < 0 ? Json(nullptr) : Json(stage.resumed_from)}};
}

Json evaluation_json(const EvaluationSummary& row) {
  Json json = {{"loss", row.loss},
               {"perplexity", row.perplexity},
               {"bits_per_byte", row.bits_per_byte.value},
               {"bits_per_byte_interval", interval_json(row.bits_per_byte)},
               {"tokens", row.tokens},
               {"parameters", row.parameters},
               {"trainable_parameters", row.trainable_parameters},
               {"training_tokens", row.training_tokens},
               {"training_flops", row.training_flops},
               {"flops_per_token", row.flops_per_token}};
  if (row.alpha_distance_from_uniform) {
    json["alpha_distance_from_uniform"] = *row.alpha_distance_from_uniform;
  }
  if (row.difference_to_hybrid) {
    json["difference_to_hybrid"] = {{"bits_per_byte", row.difference_to_hybrid->value},
                                    {"interval", interval_json(*row.difference_to_hybrid)}};
  }
  return json;
}

std::int64_t count_of(const Json& object, const std::string& key) {
  return static_cast<std::int64_t>(number_of(object, key));
}

StageSummary stage_from(const Json& json) {
  StageSummary stage;
  stage.name = text_of(json, "name");
  stage.kind = text_of(json, "kind");
  stage.status = text_of(json, "status");
  stage.seconds = number_of(json, "seconds");
  stage.steps = count_of(json, "steps");
  stage.tokens = count_of(json, "tokens");
  stage.tokens_per_second = number_of(json, "tokens_per_second");
  stage.final_loss = optional_number_of(json, "final_loss");
  stage.peak_memory_bytes = count_of(json, "peak_memory_bytes");
  stage.resumed_from = static_cast<std::int64_t>(number_of(json, "resumed_from", -1));
  return stage;
}

}  // namespace

std::vector<EvaluationSummary> evaluation_from_json(const Json& json) {
  std::vector<EvaluationSummary> rows;
  for (const auto& [name, object] : json.items()) {
    if (!object.is_object()) continue;
    EvaluationSummary& row = rows.emplace_back();
    row.name = name;
    row.loss = number_of(object, "loss", std::nan(""));
    row.perplexity = number_of(object, "perplexity", std::nan(""));
    row.bits_per_byte = estimate_from(object, "bits_per_byte", "bits_per_byte_interval");
    row.tokens = count_of(object, "tokens");
    row.parameters = count_of(object, "parameters");
    row.trainable_parameters = count_of(object, "trainable_parameters");
    row.training_tokens = count_of(object, "training_tokens");
    row.training_flops = number_of(object, "training_flops");
    row.flops_per_token = number_of(object, "flops_per_token");
    row.alpha_distance_from_uniform = optional_number_of(object, "alpha_distance_from_uniform");
    const Json difference = object_of(object, "difference_to_hybrid");
    if (optional_number_of(difference, "bits_per_byte")) {
      row.difference_to_hybrid = estimate_from(difference, "bits_per_byte", "interval");
    }
  }
  return rows;
}

Json to_json(const RunSummary& summary) {
  Json json = {
      {"name", summary.name},
      {"status", summary.status},
      {"version", summary.version},
      {"git", summary.git},
      {"world",
       {{"data", summary.data}, {"component", summary.component}, {"tensor", summary.tensor}}},
      {"seed", summary.seed},
      {"stages", Json::array()},
      {"alpha", summary.alpha},
      {"evaluation", Json::object()}};
  for (const StageSummary& stage : summary.stages) json["stages"].push_back(stage_json(stage));
  for (const EvaluationSummary& row : summary.evaluation) {
    json["evaluation"][row.name] = evaluation_json(row);
  }
  json["cost"] = {{"tokens", summary.cost.tokens},
                  {"flops", summary.cost.flops},
                  {"core_seconds", summary.cost.core_seconds},
                  {"gpu_seconds", summary.cost.gpu_seconds}};
  return json;
}

RunSummary run_summary_from_json(const Json& json, const std::string& where) {
  if (!json.is_object() || !json.contains("stages") || !json["stages"].is_array()) {
    fail_input("this is not the summary of a run", where, "a run writes it as summary.json");
  }
  RunSummary summary;
  summary.name = text_of(json, "name");
  summary.status = text_of(json, "status");
  summary.version = text_of(json, "version");
  summary.git = text_of(json, "git");
  const Json world = object_of(json, "world");
  summary.data = static_cast<std::int64_t>(number_of(world, "data", 1));
  summary.component = static_cast<std::int64_t>(number_of(world, "component", 1));
  summary.tensor = static_cast<std::int64_t>(number_of(world, "tensor", 1));
  summary.seed = static_cast<std::uint64_t>(number_of(json, "seed"));
  for (const Json& stage : json["stages"]) summary.stages.push_back(stage_from(stage));
  if (json.contains("alpha")) summary.alpha = alpha_of(json["alpha"]);
  summary.evaluation = evaluation_from_json(object_of(json, "evaluation"));
  const Json cost = object_of(json, "cost");
  summary.cost = {count_of(cost, "tokens"), number_of(cost, "flops"),
                  number_of(cost, "core_seconds"), number_of(cost, "gpu_seconds")};
  return summary;
}

RunSummary read_run_summary(const std::filesystem::path& file) {
  if (!std::filesystem::exists(file)) {
    fail_input("there is no summary of a run here", file, "`peryton run` writes one");
  }
  return run_summary_from_json(read_json_or_null(file), file);
}

}  // namespace peryton
