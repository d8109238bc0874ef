// The forms of BitNet's files and what each must not be taken for. Parity with the golden values of
// every case is in tests/conformance.
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "framework/checkpoint/model_folder.h"
#include "framework/checkpoint/safetensors.h"
#include "framework/families/bitnet/config.h"
#include "framework/families/import.h"
#include "framework/nn/bit_linear.h"
#include "tests/support/conformance.h"
#include "tests/support/finite_difference.h"

namespace peryton {
namespace {

namespace fs = std::filesystem;
using test::max_difference;
using testing::HasSubstr;

fs::path golden(const std::string& name) {
  return fs::path(PERYTON_GOLDEN_DIR) / "families/bitnet" / name;
}

// A model folder that the test may spoil.
class Folder {
 public:
  explicit Folder(const std::string& from)
      : path_(fs::temp_directory_path() / fmt::format("peryton-bitnet-{}-{}", from, getpid())) {
    fs::remove_all(path_);
    fs::create_directories(path_);
    for (const char* name : {"config.json", "model.safetensors"}) {
      fs::copy_file(golden(from) / name, path_ / name);
    }
  }
  ~Folder() { fs::remove_all(path_); }
  const fs::path& path() const { return path_; }

  template <class F>
  void edit_config(F&& edit) const {
    nlohmann::json config = nlohmann::json::parse(std::ifstream(path_ / "config.json"));
    edit(config);
    std::ofstream(path_ / "config.json") << config.dump();
  }
  template <class F>
  void edit_tensor(const std::string& name, F&& edit) const {
    const ModelFolder folder = ModelFolder::open(path_);
    std::vector<NamedTensor> tensors;
    for (const std::string& each : folder.names()) {
      tensors.push_back({each, folder.load(each)});
      if (each == name) edit(tensors.back().value);
    }
    write_safetensors(path_ / "new.safetensors", tensors);
    fs::rename(path_ / "new.safetensors", path_ / "model.safetensors");
  }
  LoadedComponent load() const { return load_component(path_, all_families(), DType::kFloat32); }
  std::string refusal() const {
    try {
      load();
    } catch (const Error& error) {
      EXPECT_EQ(error.exit_code(), 2);
      return error.what();
    }
    return "";
  }

 private:
  fs::path path_;
};

double error_against(const std::string& name, Component& component) {
  const auto expected = SafetensorsFile::open(golden(name) / "expected.safetensors");
  return max_difference(test::logits_of(component, {expected.load("ids"), {}, 0}),
                        expected.load("logits"));
}

constexpr const char* kQuery = "model.layers.1.self_attn.q_proj.weight";
const std::vector<std::string> kPackedCases{"packed_scale_multiplies", "packed_scale_divides"};

// The control of both meanings: the same file read as the other class.
TEST(Bitnet, TheMeaningOfTheScaleComesFromTheClass) {
  for (const std::string& name : kPackedCases) {
    const Folder folder(name);
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
    const Folder folder(name);
    folder.edit_config(
        [](nlohmann::json& config) { config.at("quantization_config").erase("linear_class"); });
    const std::string text = folder.refusal();
    EXPECT_THAT(text, HasSubstr("'linear_class' is missing"));
    EXPECT_THAT(text, HasSubstr("autobitlinear"));
    EXPECT_THAT(text, HasSubstr("bitlinear"));
  }
}

TEST(Bitnet, PackedBytesWithoutAQuantizationConfigAreRefused) {
  const Folder folder("packed_scale_multiplies");
  folder.edit_config([](nlohmann::json& config) { config.erase("quantization_config"); });
  EXPECT_THAT(folder.refusal(), HasSubstr(kQuery));
}

TEST(Bitnet, LatentWeightsUnderAPackedConfigAreRefused) {
  const Folder folder("online_grouped_tied");
  folder.edit_config([](nlohmann::json& config) {
    config.at("quantization_config")["quantization_mode"] = "offline";
  });
  EXPECT_THAT(folder.refusal(), HasSubstr(kQuery));
}

TEST(Bitnet, ACodeThatNoWeightHasIsRefused) {
  const Folder folder("packed_scale_multiplies");
  folder.edit_tensor(kQuery, [](const Tensor& value) { value.data<std::uint8_t>()[3] |= 0x30; });
  const std::string text = folder.refusal();
  EXPECT_THAT(text, HasSubstr(kQuery));
  EXPECT_THAT(text, HasSubstr("code 3"));
}

TEST(Bitnet, AScaleThatIsNotPositiveIsRefused) {
  for (const std::string& name : kPackedCases) {
    for (const float scale : {0.0f, -0.5f}) {
      const Folder folder(name);
      folder.edit_tensor(std::string(kQuery) + "_scale",
                         [&](const Tensor& value) { value.fill(scale); });
      EXPECT_THAT(folder.refusal(), HasSubstr("weight_scale")) << scale;
    }
  }
}

// Packed weights go through import and export byte for byte.
TEST(Bitnet, PackedExportIsTheFile) {
  for (const std::string& name : kPackedCases) {
    const Folder folder(name);
    const fs::path out = folder.path() / "exported";
    export_component(*folder.load().component, out, std::nullopt);
    const ModelFolder before = ModelFolder::open(folder.path()), after = ModelFolder::open(out);
    ASSERT_EQ(before.names(), after.names());
    std::size_t packed = 0;
    for (const std::string& each : before.names()) {
      const Tensor a = before.load(each), b = after.load(each);
      if (a.dtype() == DType::kUInt8) {
        ++packed;
        EXPECT_TRUE(test::bitwise_equal(a, b)) << each;
      } else {
        EXPECT_EQ(max_difference(a.to(DType::kFloat64), b.to(DType::kFloat64)), 0) << each;
      }
    }
    EXPECT_EQ(packed, 14u) << "seven matrices in each of two blocks";
    const LoadedComponent again = load_component(out, all_families(), DType::kFloat32);
    EXPECT_LE(error_against(name, *again.component), 1e-4);
  }
}

struct PackedCase {
  std::string model;
  PackedForm form;
};

void PrintTo(const PackedCase& packed, std::ostream* out) {
  *out << packed.model << (packed.form == PackedForm::kTwoBits ? " in two bits" : " compact");
}

class BitnetExport : public testing::TestWithParam<PackedCase> {};

INSTANTIATE_TEST_SUITE_P(Forms, BitnetExport,
                         testing::Values(PackedCase{"online_untied", PackedForm::kTwoBits},
                                         PackedCase{"online_grouped_tied", PackedForm::kTwoBits},
                                         PackedCase{"packed_scale_divides", PackedForm::kTwoBits},
                                         PackedCase{"online_untied", PackedForm::kFiveTrits},
                                         PackedCase{"online_grouped_tied", PackedForm::kFiveTrits},
                                         PackedCase{"packed_scale_divides",
                                                    PackedForm::kFiveTrits}));

// Whatever a model was, its packed form computes the same to the bit, and again when packed again.
TEST_P(BitnetExport, PackedComesBackToTheBit) {
  const auto& [model, form] = GetParam();
  const Folder folder(model);
  const fs::path out = folder.path() / "packed", again = folder.path() / "again";
  const auto expected = SafetensorsFile::open(golden(model) / "expected.safetensors");
  const TokenBatch batch{expected.load("ids"), {}, 0};
  const LoadedComponent trained = folder.load();
  const Tensor logits = test::logits_of(*trained.component, batch);
  export_packed(*trained.component, form, out, std::nullopt);
  const ModelFolder written = ModelFolder::open(out);
  const StoredTensor& query = written.info(kQuery);
  EXPECT_EQ(query.dtype, StoredDType::kU8);
  EXPECT_EQ(query.shape.size(), form == PackedForm::kTwoBits ? 2u : 1u);

  const LoadedComponent packed = load_component(out, all_families(), DType::kFloat32);
  EXPECT_TRUE(test::bitwise_equal(logits, test::logits_of(*packed.component, batch)));
  packed.component->pack_frozen([](const Parameter&) { return false; });
  EXPECT_TRUE(test::bitwise_equal(logits, test::logits_of(*packed.component, batch)));
  export_packed(*packed.component, form, again, std::nullopt);
  EXPECT_EQ(written.content_hash(), ModelFolder::open(again).content_hash());
}

TEST(Bitnet, ACompactFileThatIsDamagedIsRefused) {
  const Folder folder("online_untied");
  export_packed(*folder.load().component, PackedForm::kFiveTrits, folder.path(), std::nullopt);
  folder.edit_tensor(kQuery, [](const Tensor& bytes) { bytes.data<std::uint8_t>()[70] ^= 1; });
  const std::string text = folder.refusal();
  EXPECT_THAT(text, HasSubstr(kQuery));
  EXPECT_THAT(text, HasSubstr("checksum"));
}

TEST(Bitnet, ACompactMatrixOfAnotherShapeIsRefused) {
  const Folder folder("online_untied");
  export_packed(*folder.load().component, PackedForm::kFiveTrits, folder.path(), std::nullopt);
  folder.edit_tensor(kQuery, [&](Tensor& bytes) {
    bytes = ModelFolder::open(folder.path()).load("model.layers.1.mlp.up_proj.weight");
  });
  EXPECT_THAT(folder.refusal(), HasSubstr(fmt::format("'{}' should hold", kQuery)));
}

TEST(Bitnet, WithoutTernaryWeightsThereIsNothingToPack) {
  const Folder folder("full_precision");
  EXPECT_THROW(export_packed(*folder.load().component, PackedForm::kTwoBits, folder.path() / "out",
                             std::nullopt),
               Error);
}

// Readers of packed files take the number of rows from the number of bytes.
TEST(Bitnet, OddRowsCannotBePacked) {
  const FamilyRegistry registry = all_families();
  const Family& family = registry.by_name("bitnet");
  const nlohmann::json settings = {{"width", 16}, {"layers", 1}, {"vocabulary", 8}, {"mlp", 47}};
  const auto made =
      family.create(family.config_from_settings(settings, "test"), "test", DType::kFloat32);
  family.initialise(*made, 1);
  const Folder folder("online_untied");
  for (const PackedForm form : {PackedForm::kTwoBits, PackedForm::kFiveTrits}) {
    try {
      export_packed(*made, form, folder.path() / "out", std::nullopt);
      ADD_FAILURE() << "was packed";
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("47 rows are no multiple of four"));
    }
  }
}

TEST(Bitnet, PackedFrozenWeightsChangeNothing) {
  for (const std::string name : {"online_untied", "packed_scale_divides"}) {
    const Folder folder(name);
    const LoadedComponent loaded = folder.load();
    const auto expected = SafetensorsFile::open(golden(name) / "expected.safetensors");
    const TokenBatch batch{expected.load("ids"), {}, 0};
    const Tensor before = test::logits_of(*loaded.component, batch);
    loaded.component->pack_frozen([](const Parameter&) { return false; });
    EXPECT_TRUE(test::bitwise_equal(before, test::logits_of(*loaded.component, batch)));
    std::size_t released = 0;
    for (const ParameterPtr& parameter : loaded.component->parameters()) {
      released += is_released(*parameter);
    }
    EXPECT_EQ(released, name == std::string("online_untied") ? 21u : 14u);
  }
}

// A dense reading of ternary weights is another model.
TEST(Bitnet, TheQuantiserMatters) {
  const Folder folder("online_grouped_tied");
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
