// SPDX-License-Identifier: Apache-2.0
#include "launch/pipeline/identity.h"

#include <algorithm>
#include <set>

#include "framework/config/config_json.h"

namespace peryton {
namespace {

// Keys of a stage that change no result, or only where it stands.
constexpr const char* kIrrelevant[] = {"name",        "checkpoint", "log_every",
                                       "micro_batch", "recompute",  "after"};

nlohmann::json plain(const OrderedJson& json) { return nlohmann::json::parse(json.dump()); }

nlohmann::json component_part(const ComponentConfig& component) {
  nlohmann::json json = plain(to_json(component));
  json.erase("from");  // its contents are an input
  return json;
}

// The models behind a stage: "hybrid" and components.
std::set<std::string> models_behind(const RunConfig& config, const StageConfig& stage) {
  std::set<std::string> models;
  const auto add = [&](const std::string& name) {
    for (const StageConfig& other : config.stages) {
      if (other.name == name && !other.model.empty()) models.insert(other.model);
    }
    for (const ComponentConfig& component : config.components) {
      if (component.name == name) models.insert(name);
    }
  };
  if (!stage.model.empty()) models.insert(stage.model);
  for (const std::string& name : stage.best_of) add(name);
  for (const EvaluationRow& row : stage.evaluate.rows) {
    for (const std::string& name : row.models) add(name);
  }
  for (const std::string& name : stage.generate.models) add(name);
  if (models.count(kHybridModel) != 0) {
    models.insert(config.hybrid.components.begin(), config.hybrid.components.end());
  }
  return models;
}

nlohmann::json data_part(const RunConfig& config) {
  nlohmann::json json = plain(to_json(config.data));
  for (nlohmann::json& source : json["sources"]) source.erase("path");
  if (config.data.tokenizer.kind == TokenizerSettings::Kind::kLoad) json.erase("tokenizer");
  return {{"data", json}, {"seed", config.run.seed}};
}

void first_difference(const nlohmann::json& a, const nlohmann::json& b, const std::string& path,
                      std::string& found) {
  if (!found.empty() || a == b) return;
  if (!a.is_object() || !b.is_object()) {
    found = path;
    return;
  }
  std::set<std::string> keys;
  for (const auto& [key, value] : a.items()) keys.insert(key);
  for (const auto& [key, value] : b.items()) keys.insert(key);
  for (const std::string& key : keys) {
    const std::string below = path.empty() ? key : path + "." + key;
    first_difference(a.value(key, nlohmann::json()), b.value(key, nlohmann::json()), below, found);
  }
}

}  // namespace

nlohmann::json relevant_config(const RunConfig& config, const StageConfig& stage) {
  if (stage.kind == StageKind::kData) return data_part(config);
  nlohmann::json json = {{"stage", plain(to_json(stage))}, {"seed", config.run.seed}};
  for (const char* key : kIrrelevant) json["stage"].erase(key);
  for (const std::string& model : models_behind(config, stage)) {
    if (model == kHybridModel) {
      json["hybrid"] = plain(to_json(config.hybrid));
    } else {
      json["components"][model] = component_part(config.component(model));
    }
  }
  return json;
}

std::map<std::string, std::string> external_inputs(const RunConfig& config,
                                                   const StageConfig& stage) {
  std::map<std::string, std::string> inputs;
  if (stage.kind == StageKind::kData) {
    for (std::size_t i = 0; i < config.data.sources.size(); ++i) {
      inputs["source " + std::to_string(i)] = fingerprint(config.data.sources[i].path);
    }
    if (config.data.tokenizer.kind == TokenizerSettings::Kind::kLoad) {
      std::filesystem::path path = config.data.tokenizer.path;
      if (std::filesystem::is_directory(path)) path /= "tokenizer.json";
      inputs["tokenizer"] = fingerprint(path);
    }
    return inputs;
  }
  for (const std::string& model : models_behind(config, stage)) {
    if (model == kHybridModel) continue;
    const ComponentConfig& component = config.component(model);
    const bool there = component.pretrained() && std::filesystem::exists(component.from);
    if (there) inputs["component " + model] = fingerprint(component.from);
    // A hub id is as good as its contents: the cache holds what never changes under one name.
    if (component.pretrained() && !there) inputs["component " + model] = component.from;
  }
  return inputs;
}

nlohmann::json to_json(const StageIdentity& identity) {
  return {{"config", identity.config}, {"inputs", identity.inputs}};
}

StageIdentity stage_identity_from_json(const nlohmann::json& json) {
  return {json.at("config"), json.at("inputs").get<std::map<std::string, std::string>>()};
}

std::string difference(const StageIdentity& before, const StageIdentity& now) {
  std::string setting;
  first_difference(before.config, now.config, "", setting);
  if (setting.rfind("stage.", 0) == 0) setting = setting.substr(6);
  if (!setting.empty()) return "its setting '" + setting + "' changed";
  for (const auto& [name, hash] : now.inputs) {
    const auto old = before.inputs.find(name);
    if (old == before.inputs.end()) return "it now reads '" + name + "'";
    if (old->second != hash) return "its input '" + name + "' changed";
  }
  return before.inputs.size() > now.inputs.size() ? "it reads less than before" : "";
}

}  // namespace peryton
