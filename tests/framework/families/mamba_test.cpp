// Mamba: both layouts of config.json, defaults, refusals, and who takes which.
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>

#include "framework/families/mamba/config.h"
#include "tests/framework/families/refusal.h"

namespace peryton {
namespace {

using nlohmann::json;
using test::registry;

const Family& family() { return registry().by_name("mamba"); }

std::string error_of(const json& config) { return test::refusal(family(), config); }

json ssm(const json& changes = json::object()) {
  json config = {{"d_model", 24}, {"n_layer", 2}, {"vocab_size", 50}, {"ssm_cfg", json::object()}};
  config.update(changes);
  return config;
}

TEST(MambaConfig, WhoTakesWhich) {
  const json second = ssm({{"ssm_cfg", {{"layer", "Mamba2"}}}});
  EXPECT_TRUE(family().accepts(ssm()));
  EXPECT_TRUE(family().accepts(ssm({{"ssm_cfg", {{"layer", "Mamba1"}}}})));
  EXPECT_FALSE(family().accepts(second));
  EXPECT_FALSE(family().accepts({{"model_type", "mamba2"}}));
  EXPECT_EQ(registry().for_config(second, "config.json").name(), "mamba2");
  EXPECT_EQ(registry().for_config(ssm(), "config.json").name(), "mamba");
  EXPECT_EQ(registry().for_config({{"model_type", "mamba"}}, "config.json").name(), "mamba");
}

TEST(MambaConfig, MissingKeysTakeTheDefaultsOfTheirLayout) {
  const auto plain = mamba::read_config({{"model_type", "mamba"}, {"hidden_size", 40}}, "c");
  EXPECT_EQ(plain.inner, 80);
  EXPECT_EQ(plain.rank, 3);
  EXPECT_EQ(plain.state, 16);
  EXPECT_TRUE(plain.tied);
  const auto original = mamba::read_config(ssm(), "c");
  EXPECT_EQ(original.vocabulary, 56);
  EXPECT_EQ(original.rank, 2);
  EXPECT_EQ(original.inner, 48);
  const json given = {{"model_type", "mamba"}, {"hidden_size", 40}, {"time_step_rank", 7}};
  EXPECT_EQ(mamba::read_config(given, "c").rank, 7);
}

TEST(MambaConfig, WhatIsRefused) {
  EXPECT_NE(error_of(ssm({{"attn_layer_idx", {1}}})).find("attention layers"), std::string::npos);
  EXPECT_NE(error_of(ssm({{"rms_norm", false}})).find("rms_norm"), std::string::npos);
  EXPECT_NE(error_of(ssm({{"d_intermediate", 8}})).find("MLP"), std::string::npos);
  json config = family().tiny_config();
  config["hidden_act"] = "relu";
  EXPECT_NE(error_of(config).find("relu"), std::string::npos);
  config = family().tiny_config();
  config["intermediate_size"] = 20;
  EXPECT_NE(error_of(config).find("intermediate_size"), std::string::npos);
}

TEST(MambaFresh, TimeStepsAndDecaysOfTheRecipe) {
  const auto component = family().create(family().tiny_config(), "tiny", DType::kFloat32);
  family().initialise(*component, 3);
  for (const ParameterPtr& parameter : component->parameters()) {
    if (parameter->name.ends_with("A_log")) {
      EXPECT_FALSE(parameter->decays);
      EXPECT_NEAR(parameter->value.values<float>()[4], std::log(5.0), 1e-6);
      EXPECT_NEAR(parameter->value.values<float>()[5], 0, 1e-6);
    }
    if (!parameter->name.ends_with("dt_proj.bias")) continue;
    for (const float bias : parameter->value.values<float>()) {
      const double step = std::log1p(std::exp(static_cast<double>(bias)));
      EXPECT_GE(step, 0.999e-3);
      EXPECT_LE(step, 0.1001);
    }
  }
}

}  // namespace
}  // namespace peryton
