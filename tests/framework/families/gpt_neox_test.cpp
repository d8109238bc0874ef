// GPT-NeoX: both kinds of config.json, settings, names in files, and what is refused.
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "framework/families/gpt_neox/config.h"
#include "framework/families/registry.h"

namespace peryton {
namespace {

using nlohmann::json;

json small() {
  return {{"model_type", "gpt_neox"}, {"hidden_size", 32},       {"num_hidden_layers", 2},
          {"num_attention_heads", 4}, {"intermediate_size", 64}, {"vocab_size", 96}};
}

void expect_refused(const std::function<void()>& action, const std::string& word) {
  try {
    action();
    FAIL() << "nothing was refused, expected a word about " << word;
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), 2);
    EXPECT_NE(std::string(error.what()).find(word), std::string::npos) << error.what();
  }
}

void expect_refused(const json& change, const std::string& word) {
  json config = small();
  config.update(change);
  expect_refused([&] { gpt_neox::read_config(config, "dir/config.json"); }, word);
}

TEST(GptNeoxConfig, RotarySettingsOfBothLayouts) {
  json old = small(), recent = small();
  old["rotary_pct"] = 0.5;
  old["rotary_emb_base"] = 500;
  recent["rope_parameters"] = {
      {"rope_type", "default"}, {"rope_theta", 500.0}, {"partial_rotary_factor", 0.5}};
  for (const json& config : {old, recent}) {
    const gpt_neox::Config c = gpt_neox::read_config(config, "config.json");
    EXPECT_EQ(c.rotary_width, 4);
    EXPECT_EQ(c.rotary_base, 500);
  }
  const gpt_neox::Config plain = gpt_neox::read_config(small(), "config.json");
  EXPECT_EQ(plain.rotary_width, 2);
  EXPECT_EQ(plain.rotary_base, 10000);
  EXPECT_TRUE(plain.parallel_residual && plain.attention_bias && !plain.tied);
}

TEST(GptNeoxConfig, WhatIsRefused) {
  expect_refused({{"num_attention_heads", 5}}, "heads");
  expect_refused({{"hidden_act", "prelu"}}, "prelu");
  expect_refused({{"hidden_size", -3}}, "hidden_size");
  expect_refused({{"hidden_size", "wide"}}, "dir/config.json");
  expect_refused({{"layer_norm_eps", 0}}, "layer_norm_eps");
  expect_refused({{"rotary_pct", 1.5}}, "rotary");
  expect_refused({{"rotary_pct", 0.4}}, "odd");
  expect_refused({{"rope_scaling", {{"type", "linear"}, {"factor", 2.0}}}}, "linear");
  expect_refused({{"rope_parameters", {{"rope_type", "yarn"}}}}, "yarn");
}

TEST(GptNeoxConfig, SettingsOfAFreshModel) {
  const json config = gpt_neox::config_from_settings(
      {{"width", 192}, {"layers", 4}, {"vocabulary", 4096}}, "my.yaml:7");
  EXPECT_EQ(config.at("num_attention_heads"), 3);
  EXPECT_EQ(config.at("intermediate_size"), 768);
  EXPECT_EQ(config.at("rope_parameters").at("partial_rotary_factor"), 0.25);
  const auto settings = [](const json& value) {
    return [value] { gpt_neox::config_from_settings(value, "my.yaml:7"); };
  };
  expect_refused(settings({{"width", 192}, {"layers", 4}}), "vocabulary");
  expect_refused(settings({{"width", 192}, {"layers", 4}, {"vocabulary", 9}, {"depth", 4}}),
                 "depth");
}

TEST(GptNeoxNames, BuffersAreIgnoredAndBareNamesTaken) {
  const FamilyRegistry registry = all_families();
  const Family& family = registry.by_name("gpt_neox");
  EXPECT_FALSE(family.canonical_name("gpt_neox.layers.3.attention.bias"));
  EXPECT_FALSE(family.canonical_name("gpt_neox.layers.3.attention.masked_bias"));
  EXPECT_FALSE(family.canonical_name("gpt_neox.layers.3.attention.rotary_emb.inv_freq"));
  EXPECT_EQ(family.canonical_name("gpt_neox.layers.3.attention.dense.bias"),
            "gpt_neox.layers.3.attention.dense.bias");
  EXPECT_EQ(family.canonical_name("layers.0.mlp.dense_h_to_4h.weight"),
            "gpt_neox.layers.0.mlp.dense_h_to_4h.weight");
  EXPECT_EQ(family.canonical_name("something.else"), "something.else");
}

}  // namespace
}  // namespace peryton
