// SPDX-License-Identifier: Apache-2.0
#include "framework/hybrid/hybrid_json.h"

#include <array>
#include <nlohmann/json.hpp>
#include <utility>

namespace peryton {
namespace {

constexpr std::array<std::pair<const char*, Gate>, 2> kGates{
    {{"manticore", Gate::kManticore}, {"transition", Gate::kTransition}}};
constexpr std::array<std::pair<const char*, ProjectorKind>, 5> kProjectors{
    {{"default", ProjectorKind::kAffine},
     {"linear", ProjectorKind::kLinear},
     {"linear_skip", ProjectorKind::kLinearSkip},
     {"two_layer", ProjectorKind::kTwoLayer},
     {"two_layer_skip", ProjectorKind::kTwoLayerSkip}}};

template <class Table, class Value>
std::string name_in(const Table& table, Value value) {
  for (const auto& [name, entry] : table) {
    if (entry == value) return name;
  }
  return "?";
}

template <class Table>
auto value_in(const Table& table, const std::string& name, const std::string& where) {
  for (const auto& [entry, value] : table) {
    if (name == entry) return value;
  }
  fail_input("'" + name + "' is not a known name", where);
}

}  // namespace

std::string name_of(Gate gate) { return name_in(kGates, gate); }
std::string name_of(ProjectorKind kind) { return name_in(kProjectors, kind); }

HybridOptions HybridDescription::options(DType dtype) const {
  return {.segments = static_cast<std::int64_t>(alpha.size()),
          .boundaries = boundaries,
          .width = width,
          .gate = gate,
          .projectors = projectors,
          .released_code = released_code,
          .vocabulary = vocabulary,
          .dtype = dtype};
}

HybridDescription describe(const HybridModel& model) {
  HybridDescription description;
  for (std::size_t k = 0; k < model.parts().size(); ++k) {
    description.boundaries.push_back(model.boundaries(static_cast<std::int64_t>(k)));
  }
  description.alpha = model.alpha();
  description.width = model.width();
  description.vocabulary = model.vocabulary();
  description.gate = model.options().gate;
  description.projectors = model.options().projectors;
  description.released_code = model.options().released_code;
  return description;
}

nlohmann::json to_json(const HybridDescription& description) {
  nlohmann::json components = nlohmann::json::array();
  for (std::size_t k = 0; k < description.sources.size(); ++k) {
    const auto& source = description.sources[k];
    components.push_back({{"name", source.name},
                          {"folder", source.folder.string()},
                          {"content_hash", source.content_hash},
                          {"boundaries", description.boundaries[k]}});
  }
  return {{"format", 1},
          {"components", components},
          {"alpha", description.alpha},
          {"width", description.width},
          {"vocabulary", description.vocabulary},
          {"gate", name_of(description.gate)},
          {"projectors", name_of(description.projectors)},
          {"released_code", description.released_code},
          {"fresh_embeddings", description.fresh_embeddings},
          {"shared_embeddings", description.shared_embeddings}};
}

HybridDescription hybrid_description_from_json(const nlohmann::json& json,
                                               const std::string& where) {
  try {
    if (json.at("format").get<int>() != 1) fail_input("written by another version", where);
    HybridDescription description;
    for (const auto& component : json.at("components")) {
      description.sources.push_back({component.at("name").get<std::string>(),
                                     component.at("folder").get<std::string>(),
                                     component.at("content_hash").get<std::string>()});
      description.boundaries.push_back(component.at("boundaries").get<std::vector<std::int64_t>>());
    }
    description.alpha = json.at("alpha").get<std::vector<std::vector<double>>>();
    description.width = json.at("width").get<std::int64_t>();
    description.vocabulary = json.at("vocabulary").get<std::int64_t>();
    description.gate = value_in(kGates, json.at("gate").get<std::string>(), where);
    description.projectors = value_in(kProjectors, json.at("projectors").get<std::string>(), where);
    description.released_code = json.at("released_code").get<bool>();
    description.fresh_embeddings = json.at("fresh_embeddings").get<bool>();
    description.shared_embeddings = json.value("shared_embeddings", false);
    return description;
  } catch (const nlohmann::json::exception& error) {
    fail_input(error.what(), where, "the file is damaged; run the stage that wrote it again");
  }
}

}  // namespace peryton
