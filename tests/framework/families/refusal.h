// What a family says of a configuration that it refuses.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "framework/families/registry.h"

namespace peryton::test {

inline const FamilyRegistry& registry() {
  static const FamilyRegistry families = all_families();
  return families;
}

// The error of a wrong config.json, which must be the user's; empty: it is accepted.
inline std::string refusal(const Family& family, const nlohmann::json& config) {
  try {
    family.create(config, "config.json", DType::kFloat32);
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), 2);
    return error.what();
  }
  return "";
}

}  // namespace peryton::test
