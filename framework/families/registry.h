// The families that this build knows. A family is one folder; CMake generates
// register_all_families.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "framework/families/family.h"

namespace peryton {

class FamilyRegistry {
 public:
  // A name or a model_type that is taken already is an internal error.
  void add(std::unique_ptr<Family> family);
  // By folder name ("gpt_neox"); an unknown one is the user's error and lists the known ones.
  const Family& by_name(const std::string& name) const;
  // By the `model_type` of a Hugging Face config.json, or by what an older layout looks like.
  const Family& for_config(const nlohmann::json& config, const std::string& where) const;
  const std::vector<std::unique_ptr<Family>>& all() const { return families_; }

 private:
  std::vector<std::unique_ptr<Family>> families_;
};

void register_all_families(FamilyRegistry& registry);
// A registry with every family of the build.
FamilyRegistry all_families();

}  // namespace peryton
