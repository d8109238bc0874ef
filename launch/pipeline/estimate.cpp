// SPDX-License-Identifier: Apache-2.0
#include "launch/pipeline/estimate.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "framework/checkpoint/files.h"
#include "framework/families/import.h"
#include "framework/hybrid/fresh_tables.h"
#include "framework/hybrid/hybrid_model.h"
#include "framework/hybrid/single_model.h"
#include "framework/ops/head_loss.h"
#include "framework/train/machine.h"
#include "framework/train/model_builder.h"
#include "launch/pipeline/dry_run.h"

namespace peryton {
namespace {

namespace fs = std::filesystem;

// A process with MPI, oneDNN, the program itself and workspaces of products, before any model.
constexpr std::int64_t kProcessBytes = std::int64_t{50} << 20;

// Entries of the run's tokenizer; 0: not known before the data stage has run.
std::int64_t vocabulary_of(const RunConfig& config) {
  const TokenizerSettings& tokenizer = config.data.tokenizer;
  if (tokenizer.kind == TokenizerSettings::Kind::kTrainBpe) return tokenizer.vocabulary;
  return tokenizer.kind == TokenizerSettings::Kind::kByte ? 257 : 0;
}

// The component alone, or with the table that it has in the hybrid.
std::shared_ptr<Component> shape_of(const RunConfig& config, const std::string& name,
                                    const FamilyRegistry& families, bool in_hybrid) {
  const ComponentConfig& component = config.component(name);
  if (component.pretrained() && !fs::exists(component.from)) return nullptr;
  const std::int64_t vocabulary = vocabulary_of(config);
  const Family* family = nullptr;
  std::shared_ptr<Component> shape;
  if (component.pretrained()) {
    LoadedComponent described = describe_component(component.from, families);
    family = &families.by_name(described.family);
    shape = std::move(described.component);
  } else {
    family = &families.by_name(component.family);
    shape = family->make(fresh_config(component, *family, std::max<std::int64_t>(vocabulary, 257)),
                         component.where, DType::kFloat32);
  }
  if (!in_hybrid || config.hybrid.embeddings == EmbeddingMode::kKeep) return shape;
  const std::int64_t rows = vocabulary > 0 ? vocabulary : shape->shape().vocabulary;
  return over_vocabulary(*shape, *family, rows, component.where, DType::kFloat32);
}

// alpha is the stage's if it sets one, else the run's first: what stages before find is not known.
std::unique_ptr<LanguageModel> model_of(const RunConfig& config, const StageConfig& stage,
                                        const std::string& name, const FamilyRegistry& families) {
  if (name != kHybridModel) {
    auto component = shape_of(config, name, families, /*in_hybrid=*/false);
    if (!component) return nullptr;
    const std::int64_t rows = component->shape().vocabulary, tokens = vocabulary_of(config);
    return std::make_unique<SingleModel>(std::move(component),
                                         tokens > 0 ? std::min(tokens, rows) : rows);
  }
  std::vector<HybridPart> parts;
  for (const std::string& part : config.hybrid.components) {
    parts.push_back({part, shape_of(config, part, families, /*in_hybrid=*/true)});
    if (!parts.back().component) return nullptr;
    const bool shares = config.hybrid.embeddings == EmbeddingMode::kShared && parts.size() > 1;
    if (shares) share_table(*parts.back().component, *parts.front().component);
  }
  return std::make_unique<HybridModel>(
      std::move(parts), stage_alpha(config, stage, initial_alpha(config.hybrid), DType::kFloat32),
      hybrid_options(config.hybrid, vocabulary_of(config), DType::kFloat32));
}

// Floats that one token leaves, per layer and unit of width, at the peak of a step: what the tape
// keeps of each block and the gradients on the way back. Measured on gpt_neox and mamba2 of width
// 192 (the stages of configs/quickstart.yaml with 1024 and with 2048 tokens a rank within 13 %).
constexpr double kTrainedFloats = 20.0, kFrozenFloats = 15.0, kForwardFloats = 6.0;

double floats_per_width(const StageConfig& stage) {
  if (!stage.trains()) return kForwardFloats;
  const auto& groups = stage.train;
  const bool trained = std::find(groups.begin(), groups.end(), "components") != groups.end();
  return trained ? kTrainedFloats : kFrozenFloats;
}

double layers_times_width(const RunConfig& config, const std::string& name,
                          const FamilyRegistry& families) {
  double sum = 0;
  const auto add = [&](const std::string& part) {
    const auto component = shape_of(config, part, families, /*in_hybrid=*/false);
    if (!component) return;
    const ComponentShape& shape = component->shape();
    sum += static_cast<double>(shape.blocks * shape.width);
  };
  if (name != kHybridModel) {
    add(name);
  } else {
    for (const std::string& part : config.hybrid.components) add(part);
  }
  return sum;
}

std::int64_t memory_of(const RunConfig& config, const StageConfig& stage, const std::string& name,
                       const FamilyRegistry& families, const LanguageModel& model,
                       const StageEstimate& estimate) {
  constexpr std::int64_t kFitRows = 8;  // fit_projectors takes so many sequences at a time
  const std::int64_t rows = stage.trains() ? stage.settings.micro_batch : kFitRows;
  const std::int64_t tokens = rows * stage.settings.sequence;
  const double activations = 4.0 * static_cast<double>(tokens) *
                             layers_times_width(config, name, families) * floats_per_width(stage);
  // Weights; gradient and two moments of what trains, in bf16 its values in fp32 too, and values
  // and moments again while a checkpoint is written.
  const bool half = stage.settings.precision == Precision::kBf16;
  const double stored = (half ? 2.0 : 4.0) * static_cast<double>(estimate.parameters);
  const double slots = stage.trains() ? (half ? 28.0 : 24.0) : 0.0;
  const double weights = stored + slots * static_cast<double>(estimate.trainable);
  const std::int64_t logits =
      stage.trains()
          ? head_loss_bytes(tokens, model.vocabulary(), model.head_products(), DType::kFloat32)
          : 0;
  return kProcessBytes + logits + static_cast<std::int64_t>(weights + activations);
}

}  // namespace

std::optional<StageEstimate> estimate_stage(const RunConfig& config, const StageConfig& stage,
                                            const FamilyRegistry& families) {
  std::string name = stage.model;
  if (!stage.best_of.empty()) name = config.stage(stage.best_of.front()).model;
  if (name.empty()) return std::nullopt;
  const auto model = model_of(config, stage, name, families);
  if (!model) return std::nullopt;
  for (const ParameterPtr& parameter : model->parameters()) {
    const auto& groups = stage.train;
    parameter->trainable =
        std::find(groups.begin(), groups.end(), parameter->group) != groups.end();
  }
  StageEstimate estimate;
  estimate.parameters = parameter_count(*model);
  estimate.trainable = parameter_count(*model, true);
  if (stage.trains()) {
    const std::int64_t length = stage.settings.sequence;
    estimate.flops = static_cast<double>(planned_tokens(config, stage)) *
                     model->forward_flops_per_token(length).training();
    for (const std::string& other :
         stage.budget.match == MatchBy::kFlops ? stage.budget.of : std::vector<std::string>{}) {
      const auto part = estimate_stage(config, config.stage(other), families);
      if (part) estimate.flops += part->flops;
    }
    estimate.memory = memory_of(config, stage, name, families, *model, estimate);
  } else if (stage.kind == StageKind::kFitProjectors) {
    estimate.flops = static_cast<double>(planned_tokens(config, stage)) *
                     model->forward_flops_per_token(stage.settings.sequence).total();
    estimate.memory = memory_of(config, stage, name, families, *model, estimate);
  }
  return estimate;
}

double seconds_for(double flops, const RunConfig& config, const Machine& machine) {
  // Small models spend more than half of a step outside matrix products.
  constexpr double kShareOfPeak = 0.4;
  const int threads = threads_per_rank(config.parallel, machine);
  kernels::Context context;
  context.threads = threads;
  const double peak = peak_flops_per_second(context);
  const double busy = static_cast<double>(std::min<std::int64_t>(config.parallel.world() * threads,
                                                                 machine.cores)) /
                      threads;
  return flops / (peak * kShareOfPeak * std::max(1.0, busy));
}

}  // namespace peryton
