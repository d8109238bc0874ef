// What sets MatMul-free models apart, each with a control that must fail. Parity with the golden
// values of every case is in tests/conformance.
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "framework/checkpoint/model_folder.h"
#include "framework/checkpoint/safetensors.h"
#include "framework/families/mmfree/component.h"
#include "framework/families/mmfree/config.h"
#include "framework/nn/bit_linear.h"
#include "framework/ops/linear.h"
#include "tests/support/conformance.h"
#include "tests/support/finite_difference.h"

namespace peryton {
namespace {

using test::bitwise_equal;
using test::max_difference;

constexpr double kTolerance = 1e-4;  // of logits against golden values

struct Golden {
  std::filesystem::path folder;
  nlohmann::json config;
  SafetensorsFile expected;

  explicit Golden(const std::string& name)
      : folder(std::filesystem::path(PERYTON_GOLDEN_DIR) / "families/mmfree" / name),
        config(ModelFolder::open(folder).config()),
        expected(SafetensorsFile::open(folder / "expected.safetensors")) {}

  // The stored weights under another configuration.
  std::unique_ptr<Component> model(const nlohmann::json& changes = nlohmann::json::object()) const {
    nlohmann::json changed = config;
    changed.update(changes);
    const FamilyRegistry registry = all_families();
    const Family& family = registry.by_name("mmfree");
    auto component = family.create(changed, "test", DType::kFloat32);
    const ModelFolder files = ModelFolder::open(folder);
    for (const ParameterPtr& parameter : component->parameters()) {
      parameter->value.copy_from(files.load(parameter->name, DType::kFloat32));
    }
    return component;
  }
  double error(Component& component) const {
    return max_difference(test::logits_of(component, {expected.load("ids"), {}, 0}),
                          expected.load("logits"));
  }
};

TEST(Mmfree, MistakesOfReadersAreTold) {
  for (const auto& [name, mistakes] : std::vector<std::pair<std::string, std::vector<std::string>>>{
           {"packed_documents", {"one_norm", "plain_head", "two_betas", "unbounded_input"}},
           {"small_gains", {"eps"}}}) {
    const Golden golden(name);
    const auto component = golden.model();
    EXPECT_LE(golden.error(*component), kTolerance);
    const Tensor logits = test::logits_of(*component, {golden.expected.load("ids"), {}, 0});
    for (const std::string& mistake : mistakes) {
      EXPECT_GT(max_difference(logits, golden.expected.load("wrong." + mistake)), 0.1) << mistake;
    }
  }
}

TEST(Mmfree, OnlyTheRightOutputGateGivesTheGoldenLogits) {
  for (const auto& [name, right] : std::vector<std::pair<std::string, std::string>>{
           {"packed_documents", "mmfreelm"}, {"gate_fla", "fla"}, {"gate_paper", "paper"}}) {
    const Golden golden(name);
    for (const std::string gate : {"mmfreelm", "fla", "paper"}) {
      const double error = golden.error(*golden.model({{"output_gate", gate}}));
      EXPECT_TRUE(gate == right ? error <= kTolerance : error > 0.1)
          << name << " with " << gate << ": " << error;
    }
  }
}

TEST(Mmfree, TheEpsOfTernaryLayersIsThatOfTheKernel) {
  const Golden golden("small_gains");
  EXPECT_LE(golden.error(*golden.model()), kTolerance);
  EXPECT_GT(golden.error(*golden.model({{"bit_linear_eps", 1e-8}})), 0.1);
}

TEST(Mmfree, WithoutQuantisersItIsAnotherModel) {
  const Golden golden("packed_documents");
  EXPECT_GT(golden.error(*golden.model({{"ternary", false}})), 0.1);
}

// One norm stands behind the other: what the first one scales, the second takes back, but its
// shape stays.
TEST(Mmfree, TwoNormsStandBehindEachOther) {
  const Golden golden("packed_documents");
  const auto scaled = golden.model(), bent = golden.model();
  for (const auto& component : {scaled.get(), bent.get()}) {
    for (const ParameterPtr& parameter : component->parameters()) {
      if (!parameter->name.ends_with("attn_norm.weight")) continue;
      const auto gain = parameter->value.values<float>();
      for (float& value : gain) value *= component == scaled.get() ? 8.0f : 1.0f;
      if (component == bent.get()) gain[0] *= 8.0f;
    }
  }
  EXPECT_LE(golden.error(*scaled), 1e-3);  // but for eps
  EXPECT_GT(golden.error(*bent), 0.1);
}

// The product that losses take is the layer that scoring takes.
TEST(Mmfree, HeadTermGivesTheLogits) {
  const Golden golden("packed_documents");
  const auto component = golden.model();
  const TokenBatch batch{golden.expected.load("ids"), {}, 0};
  Tape tape({}, Tape::Mode::kInference);
  const ForwardContext context{tape, batch, nullptr};
  const Variable hidden = component->final_norm(
      context, component->run(context, 0, component->shape().blocks, component->embed(context)));
  const HeadTerm term = component->head_term(context, hidden);
  EXPECT_LE(max_difference(linear(tape, term.hidden, term.weight).value(),
                           component->logits(context, hidden).value()),
            2e-5);
}

// Integers do not depend on order and rows are one chain, so any cut of a row gives the same bits.
TEST(Mmfree, GenerationGivesTheBitsOfOnePass) {
  const Golden golden("wide");
  const auto component = golden.model();
  const Tensor ids = golden.expected.load("ids");
  const Tensor whole = test::logits_of(*component, {ids, {}, 0});
  const auto state = component->make_state(ids.size(0), ids.size(1));
  std::int64_t past = 0;
  for (const std::int64_t step : {20, 1, 1, 13, 2}) {
    const Tensor part = ids.slice(1, past, past + step).contiguous_copy();
    const Tensor logits = test::logits_of(*component, {part, {}, past}, state.get());
    EXPECT_TRUE(bitwise_equal(logits, whole.slice(1, past, past + step).contiguous_copy()))
        << "from " << past;
    past += step;
  }
  EXPECT_EQ(past, ids.size(1));
}

// Packed and released, a frozen model is the same and passes the same gradient.
TEST(Mmfree, PackedFrozenWeightsChangeNothing) {
  const Golden golden("packed_documents");
  const auto component = golden.model();
  const Tensor ids = golden.expected.load("ids");
  const Tensor hidden = test::random_normal(DType::kFloat32, {2, 9, component->shape().width}, 1);
  const auto input_gradient = [&] {
    const TokenBatch batch{ids.slice(1, 0, 9).contiguous_copy(), {}, 0};
    Tape tape({});
    const Variable input = tape.input(hidden);
    tape.backward_from(component->run({tape, batch, nullptr}, 0, component->shape().blocks, input),
                       hidden);
    return input.gradient();
  };
  const Tensor before = input_gradient(), logits = test::logits_of(*component, {ids, {}, 0});
  component->pack_frozen(
      [](const Parameter& parameter) { return parameter.name == "lm_head.weight"; });
  EXPECT_TRUE(bitwise_equal(before, input_gradient()));
  EXPECT_TRUE(bitwise_equal(logits, test::logits_of(*component, {ids, {}, 0})));
  std::size_t released = 0;
  for (const ParameterPtr& parameter : component->parameters()) released += is_released(*parameter);
  EXPECT_EQ(released, 3u * 6u) << "six matrices a block, and not the head, which was kept";
}

// A tied head quantises the embedding, wherever that is held (components may share a table), and
// packing leaves the embedding alone.
TEST(Mmfree, ATiedHeadFollowsASharedTable) {
  const Golden golden("packed_documents");
  const auto own = golden.model({{"tie_word_embeddings", true}});
  const auto sharing = golden.model({{"tie_word_embeddings", true}});
  const auto holder = std::make_shared<Parameter>(*own->embedding());
  sharing->embedding()->same_as = holder;
  sharing->embedding()->value = Tensor();
  const TokenBatch batch{golden.expected.load("ids"), {}, 0};
  const Tensor want = test::logits_of(*own, batch);
  EXPECT_TRUE(bitwise_equal(test::logits_of(*sharing, batch), want));
  sharing->pack_frozen([](const Parameter&) { return false; });
  EXPECT_TRUE(bitwise_equal(test::logits_of(*sharing, batch), want));

  holder->value = holder->value.contiguous_copy();
  holder->value.slice(0, 0, 5).fill(0.5);
  ++holder->version;
  EXPECT_FALSE(bitwise_equal(test::logits_of(*sharing, batch), want));
}

TEST(Mmfree, NamesAreThePublishedOnes) {
  const Golden golden("no_lower_bound");
  std::vector<std::string> names;
  const auto component = golden.model();
  for (const ParameterPtr& parameter : component->parameters()) {
    if (parameter->name.find(".layers.1.") == std::string::npos) names.push_back(parameter->name);
  }
  std::vector<std::string> want{"model.embeddings.weight", "model.layers.0.attn_norm.weight"};
  for (const std::string projection : {"attn.i_proj", "attn.f_proj", "attn.g_proj"}) {
    want.push_back("model.layers.0." + projection + ".weight");
    want.push_back("model.layers.0." + projection + ".norm.weight");
  }
  for (const char* name : {"attn.g_norm.weight", "attn.o_proj.weight", "attn.o_proj.norm.weight",
                           "mlp_norm.weight", "mlp.gate_proj.weight", "mlp.gate_proj.norm.weight",
                           "mlp.down_proj.weight", "mlp.down_proj.norm.weight"}) {
    want.push_back(std::string("model.layers.0.") + name);
  }
  want.insert(want.end(), {"model.norm.weight", "lm_head.weight", "lm_head.norm.weight"});
  EXPECT_EQ(names, want);
}

TEST(MmfreeConfig, PublishedSizes) {
  // Width, and the published intermediate size.
  for (const auto& [width, mlp] : std::vector<std::pair<std::int64_t, std::int64_t>>{
           {1024, 2816}, {2048, 5632}, {2560, 6912}, {5120, 13824}, {64, 256}}) {
    EXPECT_EQ(mmfree::default_mlp(width, 4), mlp);
  }
  const mmfree::Config c = mmfree::read_config(
      {{"model_type", "hgrn_bit"}, {"hidden_size", 2560}, {"intermediate_size", nullptr}}, "test");
  EXPECT_EQ(c.mlp, 6912);
  EXPECT_EQ(c.bit_eps, 1e-6);
  EXPECT_EQ(c.gate, MlgruGate::kNormProjection);
  EXPECT_TRUE(c.ternary && c.lower_bound && !c.tied && !c.round_away);
}

TEST(MmfreeConfig, WhatItCannotComputeIsRefused) {
  for (const nlohmann::json& changes : std::vector<nlohmann::json>{{{"use_short_conv", true}},
                                                                   {{"num_heads", 2}},
                                                                   {{"expand_ratio", 2}},
                                                                   {{"hidden_act", "gelu"}},
                                                                   {{"output_gate", "other"}},
                                                                   {{"rounding", "up"}}}) {
    nlohmann::json config = {{"model_type", "hgrn_bit"}, {"hidden_size", 64}};
    config.update(changes);
    try {
      mmfree::read_config(config, "config.json");
      FAIL() << changes;
    } catch (const Error& error) {
      EXPECT_EQ(error.exit_code(), 2);
      EXPECT_NE(std::string(error.what()).find("config.json"), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace peryton
