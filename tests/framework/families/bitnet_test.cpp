// The forms of BitNet's files and what each must not be taken for. Parity with the golden values of
// every case is in tests/conformance.
// SPDX-License-Identifier: Apache-2.0
#include "tests/framework/families/bitnet_folder.h"

#include <gmock/gmock.h>

#include "framework/families/bitnet/config.h"

namespace peryton {
namespace {

using test::BitnetFolder;
using test::error_against;
using test::kPackedCases;
using test::kQuery;
using testing::HasSubstr;

// The control of both meanings: the same file read as the other class.
TEST(Bitnet, TheMeaningOfTheScaleComesFromTheClass) {
  for (const std::string& name : kPackedCases) {
    const BitnetFolder folder(name);
    EXPECT_LE(error_against(name, *folder.load().component), 1e-4) << name;
    folder.edit_config([](nlohmann::json& config) {
      nlohmann::json& linear = config.at("quantization_config").at("linear_class");
      linear = linear == "bitlinear" ? "autobitlinear" : "bitlinear";
    });
    EXPECT_GT(error_against(name, *folder.load().component), 0.1) << name;
  }
}

TEST(Bitnet, APackedFileWithoutAClassIsRefused) {
  for (const std::string& name : kPackedCases) {
    const BitnetFolder folder(name);
    folder.edit_config(
        [](nlohmann::json& config) { config.at("quantization_config").erase("linear_class"); });
    const std::string text = folder.refusal();
    EXPECT_THAT(text, HasSubstr("'linear_class' is missing"));
    EXPECT_THAT(text, HasSubstr("autobitlinear"));
    EXPECT_THAT(text, HasSubstr("bitlinear"));
  }
}

TEST(Bitnet, PackedBytesWithoutAQuantizationConfigAreRefused) {
  const BitnetFolder folder("packed_scale_multiplies");
  folder.edit_config([](nlohmann::json& config) { config.erase("quantization_config"); });
  EXPECT_THAT(folder.refusal(), HasSubstr(kQuery));
}

TEST(Bitnet, LatentWeightsUnderAPackedConfigAreRefused) {
  const BitnetFolder folder("online_grouped_tied");
  folder.edit_config([](nlohmann::json& config) {
    config.at("quantization_config")["quantization_mode"] = "offline";
  });
  EXPECT_THAT(folder.refusal(), HasSubstr(kQuery));
}

TEST(Bitnet, ACodeThatNoWeightHasIsRefused) {
  const BitnetFolder folder("packed_scale_multiplies");
  folder.edit_tensor(kQuery, [](const Tensor& value) { value.data<std::uint8_t>()[3] |= 0x30; });
  const std::string text = folder.refusal();
  EXPECT_THAT(text, HasSubstr(kQuery));
  EXPECT_THAT(text, HasSubstr("code 3"));
}

TEST(Bitnet, AScaleThatIsNotPositiveIsRefused) {
  for (const std::string& name : kPackedCases) {
    for (const float scale : {0.0f, -0.5f}) {
      const BitnetFolder folder(name);
      folder.edit_tensor(std::string(kQuery) + "_scale",
                         [&](const Tensor& value) { value.fill(scale); });
      EXPECT_THAT(folder.refusal(), HasSubstr("weight_scale")) << scale;
    }
  }
}

// A dense reading of ternary weights is another model.
TEST(Bitnet, TheQuantiserMatters) {
  const BitnetFolder folder("online_grouped_tied");
  EXPECT_LE(error_against("online_grouped_tied", *folder.load().component), 1e-4);
  folder.edit_config([](nlohmann::json& config) { config.erase("quantization_config"); });
  EXPECT_GT(error_against("online_grouped_tied", *folder.load().component), 0.1);
}

TEST(BitnetConfig, DefaultsAreThoseOfTransformers) {
  const bitnet::Config c = bitnet::read_config({{"model_type", "bitnet"}}, "test");
  EXPECT_EQ(c.width, 2560);
  EXPECT_EQ(c.mlp, 6912);
  EXPECT_EQ(c.kv_heads, 5);
  EXPECT_EQ(c.head_width, 128);
  EXPECT_EQ(c.rotary_base, 500000);
  EXPECT_EQ(c.storage, bitnet::Storage::kFullPrecision);
  const bitnet::Config all =
      bitnet::read_config({{"model_type", "bitnet"}, {"num_key_value_heads", nullptr}}, "test");
  EXPECT_EQ(all.kv_heads, 20) << "null: as many as heads";
}

TEST(BitnetConfig, WhatItCannotComputeIsRefused) {
  for (const nlohmann::json& changes : std::vector<nlohmann::json>{
           {{"hidden_act", "silu"}},
           {{"attention_bias", true}},
           {{"num_key_value_heads", 3}},
           {{"rope_parameters", {{"rope_type", "yarn"}}}},
           {{"quantization_config", {{"quant_method", "gptq"}}}},
           {{"quantization_config", {{"linear_class", "other"}}}},
           {{"quantization_config", {{"linear_class", "autobitlinear"}, {"use_rms_norm", true}}}},
           {{"quantization_config",
             {{"linear_class", "autobitlinear"}, {"quantization_mode", "sometimes"}}}},
           {{"quantization_config",
             {{"linear_class", "autobitlinear"},
              {"modules_to_not_convert", {"lm_head", "model.layers.0"}}}}}}) {
    nlohmann::json config = {{"model_type", "bitnet"}};
    config.update(changes);
    try {
      bitnet::read_config(config, "config.json");
      FAIL() << changes;
    } catch (const Error& error) {
      EXPECT_EQ(error.exit_code(), 2);
      EXPECT_THAT(error.what(), HasSubstr("config.json"));
    }
  }
}

}  // namespace
}  // namespace peryton
