// A made-up run on disk, with figures that are easy to recognise, for the tests of summary and
// report.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "framework/config/run_config.h"

namespace peryton::testing_support {

namespace fs = std::filesystem;

inline StageConfig synthetic_stage(const std::string& name, StageKind kind,
                                   const std::string& model, const std::string& after = "") {
  StageConfig stage;
  stage.name = name;
  stage.kind = kind;
  stage.model = model;
  stage.after = after;
  return stage;
}

inline RunConfig synthetic_config() {
  RunConfig config;
  config.run = {"mix", 7, "runs/mix"};
  config.parallel.data = 2;
  config.parallel.threads = 1;
  for (const char* name : {"neox", "mamba"}) {
    ComponentConfig component;
    component.name = name;
    component.family = name;
    config.components.push_back(component);
  }
  config.hybrid.components = {"neox", "mamba"};
  config.stages = {synthetic_stage("data", StageKind::kData, ""),
                   synthetic_stage("pretrain-neox", StageKind::kPretrain, "neox"),
                   synthetic_stage("pretrain-mamba", StageKind::kPretrain, "mamba"),
                   synthetic_stage("fit_projectors", StageKind::kFitProjectors, kHybridModel),
                   synthetic_stage("search", StageKind::kSearch, kHybridModel, "fit_projectors"),
                   synthetic_stage("finetune", StageKind::kFinetune, kHybridModel, "search"),
                   synthetic_stage("evaluate", StageKind::kEvaluate, ""),
                   synthetic_stage("generate", StageKind::kGenerate, "")};
  config.stages[6].evaluate.rows = {{"searched hybrid", {"finetune"}},
                                    {"uniform alpha", {"uniform"}},
                                    {"neox, equal tokens", {"neox"}}};
  return config;
}

// Row of evaluation.json; `gain` is how much better the first row is, NaN for the first row itself.
inline nlohmann::json synthetic_row(double bits_per_byte, double gain, double half_width = 0.01) {
  nlohmann::json row = {{"loss", 3.5},
                        {"perplexity", 33.1},
                        {"bits_per_byte", bits_per_byte},
                        {"bits_per_byte_interval", {bits_per_byte - 0.02, bits_per_byte + 0.02}},
                        {"tokens", 90000},
                        {"parameters", 5600000},
                        {"trainable_parameters", 600000},
                        {"training_tokens", 2500000},
                        {"training_flops", 9.1e13},
                        {"flops_per_token", 1.1e7}};
  if (!std::isnan(gain)) {
    row["difference_to_hybrid"] = {{"bits_per_byte", gain},
                                   {"interval", {gain - half_width, gain + half_width}}};
  }
  return row;
}

// A folder that is removed in the end.
class SyntheticRun {
 public:
  SyntheticRun()
      : folder_(fs::temp_directory_path() / fmt::format("peryton-report-{}", ::getpid())) {
    fs::remove_all(folder_);
    fs::create_directories(folder_ / "stages");
  }
  ~SyntheticRun() { fs::remove_all(folder_); }
  SyntheticRun(const SyntheticRun&) = delete;
  SyntheticRun& operator=(const SyntheticRun&) = delete;

  const fs::path& folder() const { return folder_; }

  void put(const std::string& file, const std::string& text) const {
    fs::create_directories((folder_ / file).parent_path());
    std::ofstream(folder_ / file, std::ios::binary) << text;
  }

  // Every stage of synthetic_config, done.
  void fill() const {
    const RunConfig config = synthetic_config();
    for (const StageConfig& stage : config.stages) {
      put("stages/" + stage.name + "/result.json", result_of(stage).dump());
      put("stages/" + stage.name + "/manifest.json", R"({"seconds": 50.0, "cores": 2.0})");
      if (stage.trains()) put("stages/" + stage.name + "/metrics.jsonl", metrics_of(stage));
    }
    nlohmann::json rows;
    rows["searched hybrid"] = synthetic_row(1.72, std::nan(""));
    rows["searched hybrid"]["alpha_distance_from_uniform"] = 0.12;
    rows["uniform alpha"] = synthetic_row(1.724, 0.004);
    rows["neox, equal tokens"] = synthetic_row(1.80, 0.08);
    put("stages/evaluate/evaluation.json", rows.dump());
    put("stages/generate/samples.json",
        R"([{"model": "searched hybrid", "prompt": "In the beginning", "text": " <was> the & word"},
            {"model": "searched hybrid", "prompt": "Second", "text": "not shown"},
            {"model": "neox", "prompt": "In the beginning", "text": " a second model speaks"}])");
  }

 private:
  static nlohmann::json result_of(const StageConfig& stage) {
    nlohmann::json result = {{"status", "done"},
                             {"seconds", 50.0},
                             {"steps", 0},
                             {"tokens", 0},
                             {"flops", 0.0},
                             {"peak_memory_bytes", 700 << 20},
                             {"resumed_from", -1},
                             {"outputs", nlohmann::json::array()},
                             {"extra", nlohmann::json::object()}};
    if (!stage.trains() && stage.kind != StageKind::kFitProjectors) return result;
    result.update({{"steps", 100}, {"tokens", 100000}, {"flops", 1e12}, {"final_loss", 3.25}});
    if (stage.kind == StageKind::kSearch) result["extra"]["alpha"] = {{0.75, 0.25}, {0.5, 0.5}};
    if (stage.kind == StageKind::kFitProjectors) {
      result["extra"]["initial_loss"] = {{"fitted", 4.5}, {"random", 8.25}, {"identity", 6.5}};
      result["extra"]["warnings"] = {"a made-up warning"};
    }
    return result;
  }

  static std::string metrics_of(const StageConfig& stage) {
    std::string lines;
    for (int step = 1; step <= 100; ++step) {
      nlohmann::json line = {{"step", step}, {"loss", 3 + 4 * std::exp(-step / 20.0)}};
      if (step % 10 == 0) line["validation_loss"] = 3.1 + 4 * std::exp(-step / 20.0);
      if (stage.kind == StageKind::kSearch) {
        const double a = 0.5 + 0.0025 * step;
        line["alpha"] = {{a, 1 - a}, {0.5, 0.5}};
      }
      lines += line.dump() + "\n";
    }
    return lines;
  }

  fs::path folder_;
};

}  // namespace peryton::testing_support
