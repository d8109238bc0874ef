// SPDX-License-Identifier: Apache-2.0
#include "framework/train/model_builder.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "framework/families/import.h"
#include "framework/hybrid/fresh_tables.h"

namespace peryton {
namespace {

Gate gate_of(GateKind kind) {
  return kind == GateKind::kManticore ? Gate::kManticore : Gate::kTransition;
}

AlphaParameterisation parameterisation_of(AlphaMethod method) {
  switch (method) {
    case AlphaMethod::kSoftmax:
      return AlphaParameterisation::kSoftmax;
    case AlphaMethod::kGumbel:
      return AlphaParameterisation::kGumbel;
    case AlphaMethod::kSimplex:
      return AlphaParameterisation::kSimplex;
    case AlphaMethod::kFixed:
      return AlphaParameterisation::kFixed;
  }
  return AlphaParameterisation::kFixed;
}

std::vector<std::vector<double>> alpha_values(const AlphaConfig& config, std::int64_t segments,
                                              const std::vector<std::vector<double>>& present) {
  if (config.values.size() == 1) {
    return std::vector<std::vector<double>>(static_cast<std::size_t>(segments),
                                            config.values.front());
  }
  if (!config.values.empty()) return config.values;
  if (config.uniform)
    return uniform_alpha(segments, static_cast<std::int64_t>(present.front().size()));
  return present;
}

bool trains_alpha(const StageConfig& stage) {
  return std::ranges::find(stage.train, "alpha") != stage.train.end();
}

DType alpha_dtype(DType dtype) {
  return dtype == DType::kFloat64 ? DType::kFloat64 : DType::kFloat32;
}

ProjectorKind projector_kind(ProjectorVariant variant) {
  switch (variant) {
    case ProjectorVariant::kDefault:
      return ProjectorKind::kAffine;
    case ProjectorVariant::kLinear:
      return ProjectorKind::kLinear;
    case ProjectorVariant::kLinearSkip:
      return ProjectorKind::kLinearSkip;
    case ProjectorVariant::kTwoLayer:
      return ProjectorKind::kTwoLayer;
    case ProjectorVariant::kTwoLayerSkip:
      return ProjectorKind::kTwoLayerSkip;
  }
  return ProjectorKind::kLinear;
}

void check_vocabulary(const StageContext& context, const Component& component,
                      const std::string& name, std::int64_t vocabulary) {
  if (vocabulary <= component.shape().vocabulary) return;
  fail_input(fmt::format("the tokenizer has {} entries, component {} only {} rows of embeddings",
                         vocabulary, name, component.shape().vocabulary),
             context.config.component(name).where,
             "use the tokenizer that the component was trained with, or `embeddings: fresh`");
}

StoredModel fresh_component(const StageContext& context, const FamilyRegistry& registry,
                            const std::string& name, DType dtype, std::int64_t vocabulary) {
  const ComponentConfig& config = context.config.component(name);
  const Family& family = registry.by_name(config.family);
  std::shared_ptr<Component> component =
      family.create(fresh_config(config, family, vocabulary), config.where, dtype);
  family.initialise(*component, context.config.run.seed);
  check_vocabulary(context, *component, name, vocabulary);
  StoredModel stored;
  auto model = std::make_shared<SingleModel>(component, vocabulary);
  stored.single = model.get();
  stored.model = std::move(model);
  return stored;
}

}  // namespace

HybridOptions hybrid_options(const HybridConfig& config, std::int64_t vocabulary, DType dtype) {
  return {.segments = config.segments,
          .boundaries = {},
          .width = config.width,
          .gate = gate_of(config.gate),
          .projectors = projector_kind(config.projectors),
          .released_code = config.fidelity == Fidelity::kReleasedCode,
          .vocabulary = vocabulary,
          .dtype = dtype};
}

// A stage that does not train alpha holds it fixed.
ArchitectureWeights stage_alpha(const RunConfig& config, const StageConfig& stage,
                                const std::vector<std::vector<double>>& present, DType dtype) {
  AlphaConfig alpha = stage.alpha.value_or(AlphaConfig{});
  if (!trains_alpha(stage)) alpha.method = AlphaMethod::kFixed;
  const auto segments = static_cast<std::int64_t>(present.size());
  return ArchitectureWeights(parameterisation_of(alpha.method),
                             alpha_values(alpha, segments, present), alpha_dtype(dtype),
                             alpha.temperature, config.run.seed);
}

std::vector<std::vector<double>> initial_alpha(const HybridConfig& config) {
  const auto components = static_cast<std::int64_t>(config.components.size());
  return alpha_values(config.alpha, config.segments, uniform_alpha(config.segments, components));
}

nlohmann::json fresh_config(const ComponentConfig& component, const Family& family,
                            std::int64_t vocabulary) {
  nlohmann::json settings = component.settings;
  if (!settings.contains("vocabulary")) settings["vocabulary"] = vocabulary;
  return family.config_from_settings(settings, component.where);
}

bool is_fresh(const StageContext& context, const std::string& model) {
  return context.stage.kind == StageKind::kPretrain &&
         !context.config.component(model).pretrained();
}

std::string model_name(const StageContext& context) {
  const StageConfig& stage = context.stage;
  if (stage.best_of.empty()) return stage.model;
  const auto loss = [&](const std::string& name) {
    return read_stage_result(context.inputs.at(name)).final_loss;
  };
  const auto best = std::ranges::min_element(stage.best_of, {}, loss);
  return context.config.stage(*best).model;
}

std::filesystem::path component_folder(const StageContext& context, const std::string& component) {
  const ComponentConfig& config = context.config.component(component);
  if (config.pretrained()) return config.from;
  for (const StageConfig& stage : context.config.stages) {
    if (stage.kind == StageKind::kPretrain && stage.model == component &&
        context.inputs.contains(stage.name)) {
      return context.inputs.at(stage.name) / "model";
    }
  }
  fail_input(
      fmt::format("component {} has no weights: it is neither loaded nor pretrained", component),
      config.where, "give it `from:`, or add a pretrain stage for it");
}

ProjectorStart projector_start(ProjectorInit init) {
  switch (init) {
    case ProjectorInit::kVariant:
      return ProjectorStart::kVariant;
    case ProjectorInit::kRandom:
      return ProjectorStart::kRandom;
    case ProjectorInit::kIdentity:
      return ProjectorStart::kIdentity;
  }
  return ProjectorStart::kVariant;
}

StoredModel new_hybrid(const StageContext& context, const FamilyRegistry& registry, DType dtype,
                       std::int64_t vocabulary) {
  const HybridConfig& config = context.config.hybrid;
  StoredModel stored;
  stored.fresh_embeddings = config.embeddings != EmbeddingMode::kKeep;
  stored.shared_embeddings = config.embeddings == EmbeddingMode::kShared;
  std::vector<HybridPart> parts;
  for (const std::string& name : config.components) {
    const std::filesystem::path folder = component_folder(context, name);
    const auto trains = [&](const Parameter& parameter) {
      return std::ranges::find(context.stage.train, parameter.group) != context.stage.train.end();
    };
    LoadedComponent loaded =
        load_component(folder, registry,
                       {.dtype = dtype,
                        .keep = trains,
                        .fresh_vocabulary = stored.fresh_embeddings ? vocabulary : 0});
    stored.sources.push_back({name, std::filesystem::absolute(folder), loaded.content_hash});
    if (stored.fresh_embeddings) {
      fill_fresh_table(*loaded.component, context.config.run.seed + parts.size());
      stored.changed.insert(
          fmt::format("components.{}.{}", name, loaded.component->embedding()->name));
    }
    check_vocabulary(context, *loaded.component, name, vocabulary);
    if (stored.shared_embeddings && !parts.empty()) {
      share_table(*loaded.component, *parts.front().component);
    }
    parts.push_back({name, std::move(loaded.component)});
  }
  ArchitectureWeights alpha(AlphaParameterisation::kFixed, initial_alpha(config),
                            alpha_dtype(dtype));
  auto model = std::make_shared<HybridModel>(std::move(parts), std::move(alpha),
                                             hybrid_options(config, vocabulary, dtype));
  model->initialise_projectors(projector_start(config.projector_init), context.config.run.seed);
  stored.hybrid = model.get();
  stored.model = std::move(model);
  return stored;
}

namespace {

// A component alone is saved again whole, so nothing of it is packed.
std::optional<std::vector<std::string>> packed_but(const StageContext& context) {
  if (model_name(context) != kHybridModel) return std::nullopt;
  return context.stage.train;
}

}  // namespace

StoredModel build_model(const StageContext& context, const FamilyRegistry& registry, DType dtype,
                        std::int64_t vocabulary) {
  const StageConfig& stage = context.stage;
  const std::string name = model_name(context);
  StoredModel stored;
  if (!stage.after.empty()) {
    stored =
        load_model(context.inputs.at(stage.after) / "model", registry,
                   {.dtype = dtype, .vocabulary = vocabulary, .pack_but = packed_but(context)});
  } else if (name == kHybridModel) {
    stored = new_hybrid(context, registry, dtype, vocabulary);
  } else if (is_fresh(context, name)) {
    stored = fresh_component(context, registry, name, dtype, vocabulary);
  } else {
    stored = load_model(component_folder(context, name), registry, {.dtype = dtype});
    check_vocabulary(context, stored.single->component(), name, vocabulary);
    stored.single->set_vocabulary(vocabulary);
  }
  if (HybridModel* hybrid = stored.hybrid; hybrid != nullptr) {
    hybrid->set_alpha(stage_alpha(context.config, stage, hybrid->alpha(), hybrid->options().dtype));
  }
  return stored;
}

void freeze_for_stage(const StageContext& context, const StoredModel& stored) {
  const std::vector<std::string>& groups = context.stage.train;
  std::set<std::string> present;
  for (const ParameterPtr& parameter : stored.model->parameters()) {
    present.insert(parameter->group);
    parameter->trainable = std::ranges::find(groups, parameter->group) != groups.end();
    if (parameter->trainable && parameter->value.dtype() == DType::kUInt8) {
      fail_input(fmt::format("{} is packed and cannot train", parameter->name), context.stage.where,
                 "import the checkpoint with latent weights, or leave this group out of `train`");
    }
  }
  // A tied head is part of the embeddings, so asking for heads there asks for nothing more.
  for (const std::string& group : groups) {
    if (present.contains(group) || group == "heads") continue;
    fail_input(fmt::format("the model of stage {} has no parameters of group '{}'",
                           context.stage.name, group),
               context.stage.where,
               "groups of a component: embeddings, components, norms, heads; a hybrid also has "
               "alpha, projectors");
  }
}

}  // namespace peryton
