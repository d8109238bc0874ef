// Ternary weights packed: for files, in every form, and in memory where they are frozen.
// SPDX-License-Identifier: Apache-2.0
#include "tests/framework/families/bitnet_folder.h"

#include <gmock/gmock.h>

#include "framework/families/packable.h"
#include "framework/nn/bit_linear.h"

namespace peryton {
namespace {

namespace fs = std::filesystem;
using test::bitnet_golden;
using test::BitnetFolder;
using test::error_against;
using test::kPackedCases;
using test::kQuery;
using test::max_difference;
using testing::HasSubstr;

// Packed weights go through import and export byte for byte.
TEST(Bitnet, PackedExportIsTheFile) {
  for (const std::string& name : kPackedCases) {
    const BitnetFolder folder(name);
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
  const BitnetFolder folder(model);
  const fs::path out = folder.path() / "packed", again = folder.path() / "again";
  const auto expected = SafetensorsFile::open(bitnet_golden(model) / "expected.safetensors");
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
  const BitnetFolder folder("online_untied");
  export_packed(*folder.load().component, PackedForm::kFiveTrits, folder.path(), std::nullopt);
  folder.edit_tensor(kQuery, [](const Tensor& bytes) { bytes.data<std::uint8_t>()[70] ^= 1; });
  const std::string text = folder.refusal();
  EXPECT_THAT(text, HasSubstr(kQuery));
  EXPECT_THAT(text, HasSubstr("checksum"));
}

TEST(Bitnet, ACompactMatrixOfAnotherShapeIsRefused) {
  const BitnetFolder folder("online_untied");
  export_packed(*folder.load().component, PackedForm::kFiveTrits, folder.path(), std::nullopt);
  folder.edit_tensor(kQuery, [&](Tensor& bytes) {
    bytes = ModelFolder::open(folder.path()).load("model.layers.1.mlp.up_proj.weight");
  });
  EXPECT_THAT(folder.refusal(), HasSubstr(fmt::format("'{}' should hold", kQuery)));
}

TEST(Bitnet, WithoutTernaryWeightsThereIsNothingToPack) {
  const BitnetFolder folder("full_precision");
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
  const BitnetFolder folder("online_untied");
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
    const BitnetFolder folder(name);
    const LoadedComponent loaded = folder.load();
    const auto expected = SafetensorsFile::open(bitnet_golden(name) / "expected.safetensors");
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

}  // namespace
}  // namespace peryton
