// Llama, GPT-2 and GPT-Neo: configurations, settings, names in files, and what is refused.
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>

#include "framework/families/gpt2/config.h"
#include "framework/families/gpt_neo/config.h"
#include "framework/families/llama/config.h"
#include "framework/families/registry.h"
#include "tests/support/conformance.h"

namespace peryton {
namespace {

using nlohmann::json;

const Family& family(const std::string& name) {
  static const FamilyRegistry families = all_families();
  return families.by_name(name);
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

void expect_refused(const std::string& name, const json& change, const std::string& word) {
  json config = family(name).tiny_config();
  config.update(change);
  expect_refused([&] { family(name).create(config, "dir/config.json", DType::kFloat32); }, word);
}

json llama(const json& change = json::object()) {
  json config = {{"model_type", "llama"},    {"hidden_size", 32},       {"num_hidden_layers", 2},
                 {"num_attention_heads", 4}, {"intermediate_size", 64}, {"vocab_size", 96}};
  config.update(change);
  return config;
}

TEST(LlamaConfig, RotarySettingsOfBothLayouts) {
  const json old = llama({{"rope_theta", 500000.0},
                          {"rope_scaling",
                           {{"rope_type", "llama3"},
                            {"factor", 8.0},
                            {"low_freq_factor", 1.0},
                            {"high_freq_factor", 4.0},
                            {"original_max_position_embeddings", 64}}}});
  json recent = llama({{"rope_parameters", old.at("rope_scaling")}});
  recent["rope_parameters"]["rope_theta"] = 500000.0;
  const auto a = llama::read_config(old, "a").rotary, b = llama::read_config(recent, "b").rotary;
  EXPECT_EQ(a.type, "llama3");
  EXPECT_EQ(a.frequencies(16), b.frequencies(16));
  // 64 / 2 pi = 10.2 turns of the first pair stay, 10.2 / 5.2 = 1.98 of the second are blended.
  const auto f = a.frequencies(16);
  EXPECT_EQ(f[0], 1);
  const double plain = std::pow(500000.0, -1.0 / 8), turns = 64 * plain / (2 * M_PI);
  const double kept = (turns - 1) / 3;
  EXPECT_NEAR(f[1], plain * (kept + (1 - kept) / 8), 1e-15);
  EXPECT_NEAR(f[7], std::pow(500000.0, -7.0 / 8) / 8, 1e-18);
}

TEST(LlamaConfig, DefaultsOfBothModelTypes) {
  const auto plain = llama::read_config(llama(), "config.json");
  EXPECT_EQ(plain.kv_heads, 4);
  EXPECT_EQ(plain.window, 0);
  EXPECT_EQ(plain.eps, 1e-6);
  const auto mistral =
      llama::read_config(llama({{"model_type", "mistral"}, {"num_attention_heads", 8}}), "c");
  EXPECT_EQ(mistral.kv_heads, 8);
  EXPECT_EQ(mistral.window, 4096);
  const json unlimited =
      llama({{"model_type", "mistral"}, {"num_key_value_heads", 2}, {"sliding_window", nullptr}});
  EXPECT_EQ(llama::read_config(unlimited, "c").window, 0);
  EXPECT_TRUE(
      llama::write_config(llama::read_config(unlimited, "c")).at("sliding_window").is_null());
}

TEST(LlamaConfig, WhatIsRefused) {
  expect_refused("llama", {{"num_key_value_heads", 3}}, "share");
  expect_refused("llama", {{"head_dim", 7}}, "odd");
  expect_refused("llama", {{"hidden_act", "prelu"}}, "prelu");
  expect_refused("llama", {{"rms_norm_eps", 0}}, "rms_norm_eps");
  expect_refused("llama", {{"rope_scaling", {{"type", "yarn"}, {"factor", 2.0}}}}, "yarn");
  expect_refused("llama", {{"rope_scaling", {{"type", "linear"}}}}, "factor");
  expect_refused("llama",
                 {{"rope_scaling", nullptr}, {"rope_parameters", {{"partial_rotary_factor", 0.5}}}},
                 "partial");
  expect_refused("llama", {{"layer_types", {"full_attention", "sliding_attention"}}},
                 "layer_types");
}

TEST(Gpt2Config, CommonNamesAndRefusals) {
  const json config = {{"hidden_size", 48},
                       {"num_hidden_layers", 3},
                       {"num_attention_heads", 6},
                       {"max_position_embeddings", 77}};
  const auto c = gpt2::read_config(config, "config.json");
  EXPECT_EQ(c.width, 48);
  EXPECT_EQ(c.layers, 3);
  EXPECT_EQ(c.positions, 77);
  EXPECT_EQ(c.mlp, 192);
  expect_refused("gpt2", {{"n_head", 7}}, "heads");
  expect_refused("gpt2", {{"add_cross_attention", true}}, "cross");
}

TEST(GptNeoConfig, AttentionTypesAreExpanded) {
  const auto usual = gpt_neo::read_config({{"model_type", "gpt_neo"}}, "config.json");
  EXPECT_EQ(usual.layers(), 24);
  EXPECT_EQ(usual.window_of(0), 0);
  EXPECT_EQ(usual.window_of(23), 256);
  const auto types = [](const char* text) { return json{{"attention_types", json::parse(text)}}; };
  expect_refused("gpt_neo", types(R"([[["global"], 3]])"), "3 layers");
  expect_refused("gpt_neo", types(R"([[["global", "sparse"], 1]])"), "sparse");
  expect_refused("gpt_neo", types(R"(["global", "local"])"), "attention_types");
  expect_refused("gpt_neo", types(R"([[["global"], -1]])"), "attention_types");
  const json settings = {{"width", 32}, {"layers", 3}, {"vocabulary", 9}, {"local", false}};
  const auto fresh = gpt_neo::read_config(gpt_neo::config_from_settings(settings, "my.yaml"), "c");
  EXPECT_EQ(fresh.local, std::vector<bool>(3, false));
}

TEST(DecoderNames, BuffersAreIgnoredAndBareNamesTaken) {
  EXPECT_FALSE(family("gpt2").canonical_name("h.0.attn.bias"));
  EXPECT_FALSE(family("gpt2").canonical_name("transformer.h.0.attn.masked_bias"));
  EXPECT_EQ(family("gpt2").canonical_name("h.0.attn.c_attn.bias"),
            "transformer.h.0.attn.c_attn.bias");
  EXPECT_FALSE(family("gpt_neo").canonical_name("transformer.h.1.attn.attention.bias"));
  EXPECT_EQ(family("gpt_neo").canonical_name("h.1.attn.attention.out_proj.bias"),
            "transformer.h.1.attn.attention.out_proj.bias");
  EXPECT_FALSE(family("llama").canonical_name("model.layers.0.self_attn.rotary_emb.inv_freq"));
  EXPECT_EQ(family("llama").canonical_name("norm.weight"), "model.norm.weight");
  EXPECT_EQ(family("llama").canonical_name("something.else"), "something.else");
}

TEST(LearnedPositions, ALongerDocumentIsTheUsersError) {
  for (const char* name : {"gpt2", "gpt_neo"}) {
    const auto model = test::tiny_model(family(name), DType::kFloat32, 1);  // 96 positions
    const Tensor ids = test::random_ids(1, 97, model->shape().vocabulary, 1);
    expect_refused([&] { test::logits_of(*model, {ids, {}, 0}); }, "96 positions");
    // Two documents of 48 and 49 tokens are fine.
    const Tensor start = Tensor::zeros(DType::kInt32, {1, 97});
    for (std::int64_t t = 48; t < 97; ++t) start.values<std::int32_t>()[t] = 48;
    EXPECT_EQ(test::logits_of(*model, {ids, start, 0}).size(1), 97);
  }
}

}  // namespace
}  // namespace peryton
