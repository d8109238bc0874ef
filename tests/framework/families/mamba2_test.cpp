// Mamba-2: configurations, refusals, fresh models.
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "framework/families/mamba2/component.h"
#include "tests/framework/families/refusal.h"

namespace peryton {
namespace {

using nlohmann::json;
using test::registry;

const Family& family() { return registry().by_name("mamba2"); }

std::string error_of(const json& config) { return test::refusal(family(), config); }

json ssm(const json& changes = {}, const json& inner = {}) {
  json config = {{"d_model", 16},
                 {"n_layer", 2},
                 {"vocab_size", 50},
                 {"pad_vocab_size_multiple", 16},
                 {"ssm_cfg", {{"layer", "Mamba2"}, {"headdim", 8}, {"d_state", 4}}}};
  if (!changes.is_null()) config.update(changes);
  if (!inner.is_null()) config["ssm_cfg"].update(inner);
  return config;
}

json tiny(const json& changes = {}) {
  json config = family().tiny_config();
  if (!changes.is_null()) config.update(changes);
  return config;
}

TEST(Mamba2Config, WhatIsAccepted) {
  EXPECT_TRUE(family().accepts(tiny()));
  EXPECT_TRUE(family().accepts(ssm()));
  EXPECT_FALSE(family().accepts({{"model_type", "mamba"}}));
  EXPECT_FALSE(family().accepts({{"d_model", 16}, {"n_layer", 2}, {"ssm_cfg", json::object()}}));
  EXPECT_FALSE(family().accepts(json::array()));
}

TEST(Mamba2Config, MissingKeysTakeTheDefaultsOfTheirLayout) {
  const auto config = mamba2::read_config({{"model_type", "mamba2"}}, "config.json");
  EXPECT_EQ(config.heads, 128);
  EXPECT_EQ(config.groups, 8);
  EXPECT_EQ(config.norm_groups, 8);
  EXPECT_FALSE(config.tied);
  const auto original = mamba2::read_config({{"d_model", 768},
                                             {"n_layer", 24},
                                             {"vocab_size", 50277},
                                             {"pad_vocab_size_multiple", 16},
                                             {"ssm_cfg", {{"layer", "Mamba2"}}}},
                                            "config.json");
  EXPECT_EQ(original.vocabulary, 50288);
  EXPECT_EQ(original.heads, 24);
  EXPECT_EQ(original.state, 128);
  EXPECT_EQ(original.groups, 1);
  EXPECT_EQ(original.projected(), 3352);  // of mamba2-130m
  EXPECT_EQ(original.conv_channels(), 1792);
  EXPECT_TRUE(original.tied);
}

TEST(Mamba2Config, Infinity) {
  const double infinity = std::numeric_limits<double>::infinity();
  for (const json& high : {json(infinity), json({{"__float__", "Infinity"}})}) {
    const auto config =
        mamba2::read_config(tiny({{"time_step_limit", {0.5, high}}}), "config.json");
    EXPECT_EQ(config.dt_min, 0.5);
    EXPECT_EQ(config.dt_max, infinity);
  }
  EXPECT_FALSE(mamba2::write_config(mamba2::read_config(tiny(), "")).contains("time_step_limit"));
}

TEST(Mamba2Config, ImpossibleValuesAreTheUsersError) {
  using testing::HasSubstr;
  EXPECT_THAT(error_of(tiny({{"num_heads", 3}})), HasSubstr("3 heads"));
  EXPECT_THAT(error_of(tiny({{"expand", 3}})), HasSubstr("expand 3"));
  EXPECT_THAT(error_of(tiny({{"hidden_size", "16"}})), HasSubstr("hidden_size"));
  EXPECT_THAT(error_of(tiny({{"state_size", -1}})), HasSubstr("state_size"));
  EXPECT_THAT(error_of(tiny({{"hidden_act", "gelu"}})), HasSubstr("gelu"));
  EXPECT_THAT(error_of(tiny({{"time_step_limit", {1.0, 0.5}}})), HasSubstr("time_step_limit"));
  EXPECT_THAT(error_of(tiny({{"norm_before_gate", true}})), HasSubstr("norm_before_gate"));
  EXPECT_THAT(error_of(ssm({{"attn_layer_idx", {1}}})), HasSubstr("attention"));
  EXPECT_THAT(error_of(ssm({{"d_intermediate", 64}})), HasSubstr("MLP"));
  EXPECT_THAT(error_of(ssm({}, {{"D_has_hdim", true}})), HasSubstr("D_has_hdim"));
  EXPECT_THAT(error_of(ssm({}, {{"headdim", 7}})), HasSubstr("expand 2"));
  EXPECT_EQ(error_of(ssm()), "");
}

TEST(Mamba2Config, WhatTransformersCannotSayIsNotExported) {
  const auto old = family().create(tiny({{"norm_group_count", 1}}), "", DType::kFloat32);
  EXPECT_THROW(old->config(), Error);
  const auto gated = family().create(ssm({}, {{"norm_before_gate", true}}), "", DType::kFloat32);
  EXPECT_THROW(gated->config(), Error);
}

TEST(Mamba2Config, Settings) {
  const json settings = {{"width", 192}, {"layers", 4}, {"vocabulary", 4096}};
  const auto config = mamba2::read_config(family().config_from_settings(settings, "my.yaml"), "");
  EXPECT_EQ(config.heads, 6);
  EXPECT_EQ(config.head_dim, 64);
  EXPECT_TRUE(config.tied);
  json wrong = settings;
  wrong["depth"] = 3;
  EXPECT_THROW(family().config_from_settings(wrong, "my.yaml"), Error);
  EXPECT_THROW(family().config_from_settings({{"width", 192}}, "my.yaml"), Error);
  json heads = settings;
  heads["heads"] = 12;
  EXPECT_EQ(family().config_from_settings(heads, "my.yaml").at("head_dim"), 32);
}

TEST(Mamba2Config, NamesOfOlderFiles) {
  EXPECT_EQ(family().canonical_name("backbone.embedding.weight"), "backbone.embeddings.weight");
  EXPECT_EQ(family().canonical_name("model.backbone.norm_f.weight"), "backbone.norm_f.weight");
  EXPECT_EQ(family().canonical_name("lm_head.weight"), "lm_head.weight");
}

TEST(Mamba2Initialise, FollowsTheRecipe) {
  const auto model = family().create(ssm({{"d_model", 256}}), "", DType::kFloat32);
  family().initialise(*model, 7);
  for (const ParameterPtr& parameter : model->parameters()) {
    for (const float value : parameter->value.values<float>()) {
      ASSERT_TRUE(std::isfinite(value)) << parameter->name;
      if (parameter->name.ends_with("A_log")) {
        EXPECT_GE(value, 0.0f);
        EXPECT_LE(value, std::log(16.0f) + 1e-6f);
      }
      if (parameter->name.ends_with("dt_bias")) {
        const double step = std::log1p(std::exp(static_cast<double>(value)));
        EXPECT_GE(step, 0.999e-3);
        EXPECT_LE(step, 0.1001);
      }
    }
    EXPECT_EQ(parameter->decays, parameter->value.rank() > 1) << parameter->name;
  }
  const auto same = family().create(ssm({{"d_model", 256}}), "", DType::kFloat32);
  family().initialise(*same, 7);
  const auto first = model->parameters()[1]->value.values<float>();
  const auto second = same->parameters()[1]->value.values<float>();
  EXPECT_TRUE(std::equal(first.begin(), first.end(), second.begin()));
}

TEST(Mamba2Component, ScanParametersStayFloat) {
  const auto model = family().create(tiny(), "", DType::kBFloat16);
  for (const ParameterPtr& parameter : model->parameters()) {
    const std::string& name = parameter->name;
    const bool scan = name.ends_with("A_log") || name.ends_with("dt_bias") || name.ends_with(".D");
    EXPECT_EQ(parameter->value.dtype(), scan ? DType::kFloat32 : DType::kBFloat16) << name;
  }
}

}  // namespace
}  // namespace peryton
