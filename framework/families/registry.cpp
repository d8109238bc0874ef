// SPDX-License-Identifier: Apache-2.0
#include "framework/families/registry.h"

#include <nlohmann/json.hpp>

#include "framework/nn/shape_only.h"

namespace peryton {

nlohmann::json Family::smooth_config() const { return tiny_config(); }

std::unique_ptr<Component> Family::create(const nlohmann::json& config, const std::string& where,
                                          DType dtype) const {
  auto component = make(config, where, dtype);
  for (const ParameterPtr& parameter : component->parameters()) {
    if (is_released(*parameter)) {
      parameter->value = Tensor::empty(parameter->value.dtype(), parameter->value.shape());
    }
  }
  return component;
}

namespace {

std::string names_of(const std::vector<std::unique_ptr<Family>>& families) {
  std::string names;
  for (const auto& family : families) names += (names.empty() ? "" : ", ") + family->name();
  return names;
}

}  // namespace

void FamilyRegistry::add(std::unique_ptr<Family> family) {
  for (const auto& known : families_) {
    PERYTON_CHECK(known->name() != family->name(), "family {} twice", family->name());
  }
  families_.push_back(std::move(family));
}

const Family& FamilyRegistry::by_name(const std::string& name) const {
  for (const auto& family : families_) {
    if (family->name() == name) return *family;
  }
  fail_input(fmt::format("unknown family '{}'", name), "",
             fmt::format("this build has: {}", names_of(families_)));
}

const Family& FamilyRegistry::for_config(const nlohmann::json& config,
                                         const std::string& where) const {
  for (const auto& family : families_) {
    if (family->accepts(config)) return *family;
  }
  const auto type = config.find("model_type");
  const std::string found = type != config.end() ? type->dump() : "no model_type";
  fail_input(fmt::format("no family reads this model ({})", found), where,
             fmt::format("this build has: {}", names_of(families_)));
}

FamilyRegistry all_families() {
  FamilyRegistry registry;
  register_all_families(registry);
  return registry;
}

}  // namespace peryton
