// SPDX-License-Identifier: Apache-2.0
#include "tests/support/golden_hybrid.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "framework/checkpoint/files.h"
#include "framework/families/import.h"
#include "framework/hybrid/hybrid_json.h"

namespace peryton::test {
namespace {

namespace fs = std::filesystem;

const fs::path kRoot = fs::path(PERYTON_GOLDEN_DIR) / "hybrid";

ProjectorKind kind_named(const std::string& name) {
  for (const ProjectorKind kind :
       {ProjectorKind::kAffine, ProjectorKind::kLinear, ProjectorKind::kLinearSkip,
        ProjectorKind::kTwoLayer, ProjectorKind::kTwoLayerSkip}) {
    if (name_of(kind) == name) return kind;
  }
  throw std::runtime_error("no projector kind " + name);
}

}  // namespace

std::vector<std::string> golden_hybrid_cases() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kRoot)) {
    if (fs::exists(entry.path() / "expected.safetensors"))
      names.push_back(entry.path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

void make_all_trainable(const LanguageModel& model) {
  for (const ParameterPtr& parameter : model.parameters()) {
    parameter->trainable = true;
    parameter->gradient = Tensor::zeros(parameter->value.dtype(), parameter->value.shape());
  }
}

GoldenHybrid load_golden_hybrid(const std::string& name, AlphaParameterisation parameterisation,
                                DType dtype) {
  const nlohmann::json config = nlohmann::json::parse(read_file(kRoot / name / "config.json"));
  const FamilyRegistry registry = all_families();
  std::vector<HybridPart> parts;
  for (const auto& component : config.at("components")) {
    const std::string part = component.at("name");
    parts.push_back({part, load_component(kRoot / "components" / part, registry, dtype).component});
  }
  const auto values = config.at("alpha").get<std::vector<std::vector<double>>>();
  HybridOptions options;
  options.segments = static_cast<std::int64_t>(values.size());
  options.boundaries = config.at("segments").get<std::vector<std::vector<std::int64_t>>>();
  options.width = config.at("width");
  options.gate = config.at("gate") == "manticore" ? Gate::kManticore : Gate::kTransition;
  options.projectors = kind_named(config.at("projectors"));
  options.released_code = config.at("fidelity") == "released_code";
  options.vocabulary = config.at("vocabulary");
  options.dtype = dtype;
  auto model = std::make_unique<HybridModel>(
      std::move(parts), ArchitectureWeights(parameterisation, values, dtype), options);
  const SafetensorsFile projectors = SafetensorsFile::open(kRoot / name / "projectors.safetensors");
  for (const ParameterPtr& parameter : model->parameters()) {
    if (parameter->group == "projectors")
      parameter->value.copy_from(projectors.load(parameter->name));
  }
  const double largest = *std::ranges::max_element(values.front());
  return {std::move(model), SafetensorsFile::open(kRoot / name / "expected.safetensors"),
          options.vocabulary, largest == 1.0};
}

LossRequest golden_request(const SafetensorsFile& expected) {
  LossRequest request;
  request.batch.ids = expected.load("ids");
  request.targets = expected.load("targets");
  if (expected.contains("document_start"))
    request.batch.document_start = expected.load("document_start");
  std::int64_t count = 0;
  for (const std::int32_t target : request.targets.values<std::int32_t>()) count += target >= 0;
  request.scale = 1.0 / static_cast<double>(count);
  return request;
}

}  // namespace peryton::test
