// Which models a stage is for, what its instances are called, and which groups they train.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cctype>

#include "framework/config/reader.h"

namespace peryton {
namespace {

bool contains(const std::vector<std::string>& list, const std::string& name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

std::vector<std::string> component_names(const RunConfig& config) {
  std::vector<std::string> names;
  for (const ComponentConfig& component : config.components) names.push_back(component.name);
  return names;
}

bool is_for_hybrids_only(StageKind kind) {
  return kind == StageKind::kFitProjectors || kind == StageKind::kTrainProjectors ||
         kind == StageKind::kSearch || kind == StageKind::kDiscretise;
}

std::vector<std::string> default_models(const WrittenStage& stage, const RunConfig& config) {
  std::vector<std::string> models;
  if (stage.config.kind == StageKind::kPretrain) {
    for (const ComponentConfig& component : config.components) {
      if (!component.pretrained()) models.push_back(component.name);
    }
    if (models.empty()) stage.node.mistake("there is no component to pretrain: all have 'from'");
    return models;
  }
  if (config.has_hybrid() || is_for_hybrids_only(stage.config.kind)) return {kHybridModel};
  if (config.components.size() == 1) return {config.components.front().name};
  stage.node.mistake("'" + stage.node.path() + "' does not say which model it is for",
                     "add model: NAME, each: [NAMES], or a section 'hybrid'");
  return {};
}

void check_model(const WrittenStage& stage, const std::string& model, const RunConfig& config) {
  std::vector<std::string> known = component_names(config);
  const StageKind kind = stage.config.kind;
  const bool hybrid_stage = is_for_hybrids_only(kind);
  if (config.has_hybrid() || model != kHybridModel) known.push_back(kHybridModel);
  if (!contains(known, model)) {
    stage.node.mistake(
        model == kHybridModel
            ? "'" + stage.node.path() + "' is for a hybrid, and there is none"
            : "'" + stage.node.path() + "' names an unknown model '" + model + "'",
        model == kHybridModel ? "add a section hybrid: {segments: 4}" : suggest(model, known));
    return;
  }
  if (hybrid_stage && model != kHybridModel) {
    stage.node.mistake("a stage of kind " + name_of(kind) + " is for the hybrid, not for '" +
                       model + "'");
  }
  if (kind != StageKind::kPretrain) return;
  if (model == kHybridModel) {
    stage.node.mistake("a hybrid is not pretrained",
                       "pretrain its components, then search and finetune");
  } else if (config.component(model).pretrained()) {
    stage.node.mistake(
        "the component '" + model + "' comes from a folder and is pretrained already",
        "use kind: finetune");
  }
}

std::vector<std::string> default_groups(const StageConfig& stage, const RunConfig& config) {
  const bool fresh = config.hybrid.embeddings != EmbeddingMode::kKeep;
  switch (stage.kind) {
    case StageKind::kTrainProjectors:
      if (fresh) return {"projectors", "embeddings", "heads"};
      return {"projectors"};
    case StageKind::kFitProjectors:
      return {"projectors"};
    case StageKind::kSearch:
      return {"alpha", "projectors"};
    case StageKind::kPretrain:
      return {"embeddings", "components", "norms", "heads"};
    case StageKind::kFinetune:
      if (stage.model == kHybridModel) return {"projectors"};
      return {"embeddings", "components", "norms", "heads"};
    default:
      return {};
  }
}

void check_groups(const WrittenStage& stage, const StageConfig& config) {
  if (!config.trains()) return;
  const bool hybrid = config.model == kHybridModel;
  const auto complain = [&](const std::string& message, const std::string& hint) {
    const Node train = stage.node.at("train");
    (train ? train : stage.node).mistake(message, hint);
  };
  if (config.train.empty())
    complain("'" + stage.node.path() + ".train' is empty: nothing would train", "");
  for (const char* group : {"alpha", "projectors"}) {
    if (!hybrid && contains(config.train, group)) {
      complain(std::string("a component has no group '") + group + "'", "only the hybrid has it");
    }
  }
  const bool trains_alpha = contains(config.train, "alpha");
  if (config.kind == StageKind::kSearch && !trains_alpha) {
    complain("a search trains α, and 'alpha' is not in 'train'", "add it, or use kind: finetune");
  }
  if (trains_alpha && config.alpha && config.alpha->method == AlphaMethod::kFixed) {
    complain("α is fixed and in 'train' at once",
             "take 'alpha' out of 'train', or choose another method");
  }
  if (!hybrid && config.alpha) stage.node.at("alpha").mistake("a component has no α");
}

bool is_plain_name(const std::string& name) {
  return std::all_of(name.begin(), name.end(),
                     [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_'; });
}

void check_base_name(const WrittenStage& stage, const std::string& base,
                     const std::vector<StageInstance>& before) {
  if (!is_plain_name(base) || base == "data") {
    stage.node.mistake("a stage cannot be called '" + base + "'",
                       "use letters, digits, - and _; 'data' is the stage that prepares the text");
  }
  for (const StageInstance& other : before) {
    if (other.base != base && other.config.name != base) continue;
    stage.node.mistake("two stages are called '" + base + "'",
                       stage.named ? "rename one" : "give this one a name: {kind: ..., name: ...}");
    return;
  }
}

StageInstance instance_of(const WrittenStage& stage, std::size_t source, const std::string& base,
                          const std::string& model, bool several, const RunConfig& config) {
  StageInstance instance{stage.config, source, base};
  instance.config.model = model;
  instance.config.name = several ? base + "-" + model : base;
  if (instance.config.train.empty() && !stage.node.has("train")) {
    instance.config.train = default_groups(instance.config, config);
  }
  check_groups(stage, instance.config);
  return instance;
}

}  // namespace

std::vector<StageInstance> expand_stages(const std::vector<WrittenStage>& written,
                                         const RunConfig& config) {
  std::vector<StageInstance> result;
  for (std::size_t i = 0; i < written.size(); ++i) {
    const WrittenStage& stage = written[i];
    const std::string base = stage.named ? stage.config.name : name_of(stage.config.kind);
    check_base_name(stage, base, result);
    const bool no_model = stage.config.kind == StageKind::kEvaluate ||
                          stage.config.kind == StageKind::kGenerate ||
                          !stage.config.best_of.empty();
    if (no_model) {
      result.push_back(instance_of(stage, i, base, "", false, config));
      continue;
    }
    const bool one = !stage.config.model.empty();
    std::vector<std::string> models = one ? std::vector{stage.config.model} : stage.each;
    if (models.empty()) models = default_models(stage, config);
    const bool several = !one && (!stage.each.empty() || stage.config.kind == StageKind::kPretrain);
    for (const std::string& model : models) {
      check_model(stage, model, config);
      result.push_back(instance_of(stage, i, base, model, several, config));
    }
  }
  return result;
}

}  // namespace peryton
