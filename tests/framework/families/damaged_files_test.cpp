// Every field of a configuration, of GGUF metadata and of a tensor header wrong in turn: what still
// is a model runs, everything else is the user's error. Never a crash.
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "framework/checkpoint/json_text.h"
#include "framework/core/rng.h"
#include "framework/families/gguf_import.h"
#include "framework/families/import.h"
#include "tests/framework/checkpoint/support.h"
#include "tests/support/conformance.h"
#include "tests/support/gguf_builder.h"

namespace peryton {
namespace {

using testing_support::GgufBuilder;
using testing_support::put_file;
using testing_support::ScratchFolder;
namespace fs = std::filesystem;

const fs::path kGoldenFolder = PERYTON_GOLDEN_DIR;

// True: `body` ended well; false: with the user's error.
template <class F>
bool accepted(const std::string& what, F&& body) {
  try {
    body();
    return true;
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), 2) << what << ": " << error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE() << what << ": " << error.what();
  }
  return false;
}

void load_and_run(const fs::path& folder, const FamilyRegistry& registry) {
  const LoadedComponent loaded = load_component(folder, registry, DType::kFloat32);
  const Tensor ids = Tensor::zeros(DType::kInt32, {1, 5});
  test::logits_of(*loaded.component, {ids, {}, 0});
}

class DamagedFolder : public testing::TestWithParam<std::string> {
 protected:
  DamagedFolder() {
    for (const char* file : {"config.json", "model.safetensors"}) {
      fs::copy_file(kGoldenFolder / "families" / GetParam() / file, folder_ / file);
    }
  }
  bool runs(const std::string& what) const {
    return accepted(GetParam() + ", " + what, [&] { load_and_run(folder_.path(), registry_); });
  }

  ScratchFolder folder_;
  FamilyRegistry registry_ = all_families();
};

const std::vector<nlohmann::json> kWrongValues = {nullptr, -1, 1 << 20, 1'000'000'000'000, "x"};

TEST_P(DamagedFolder, EveryKeyOfTheConfigWrongInTurn) {
  const nlohmann::json whole = read_json_file(folder_ / "config.json");
  ASSERT_TRUE(runs("as it is"));
  int refused = 0;
  const auto try_with = [&](const nlohmann::json& config, const std::string& what) {
    put_file(folder_ / "config.json", config.dump());
    refused += !runs(what);
  };
  for (const auto& [key, value] : whole.items()) {
    for (const nlohmann::json& wrong : kWrongValues) {
      nlohmann::json config = whole;
      config[key] = wrong;
      try_with(config, key + " = " + wrong.dump());
      if (!value.is_object()) continue;
      for (const auto& inner : value.items()) {
        config[key] = value;
        config[key][inner.key()] = wrong;
        try_with(config, key + "." + inner.key() + " = " + wrong.dump());
      }
    }
  }
  EXPECT_GT(refused, 20);
}

// Most of the header's bytes are names and numbers of a JSON text.
TEST_P(DamagedFolder, FlippedBytesOfTheTensorHeader) {
  const std::string whole = read_file(folder_ / "model.safetensors");
  std::uint64_t header = 0;
  std::memcpy(&header, whole.data(), sizeof header);
  const std::uint64_t seed = 31;
  const Rng rng(seed, RandomPurpose::kTest);
  int refused = 0;
  for (std::uint64_t trial = 0; trial < 80; ++trial) {
    std::string bytes = whole;
    const std::size_t at = trial < 8 ? trial : rng.below(2 * trial, 8 + header);
    bytes[at] = static_cast<char>(rng.below(2 * trial + 1, 256));
    put_file(folder_ / "model.safetensors", bytes);
    refused += !runs(fmt::format("byte {}, seed {}", at, seed));
  }
  EXPECT_GT(refused, 50);
}

INSTANTIATE_TEST_SUITE_P(Packed, DamagedFolder,
                         testing::Values("bitnet/packed_scale_multiplies",
                                         "bitnet/packed_scale_divides", "mmfree/no_lower_bound"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::ranges::replace(name, '/', '_');
                           return name;
                         });

// Five weights a byte: whatever byte of such a tensor is wrong, its header or its checksum tells.
TEST(DamagedCompact, FlippedBytesAreRefused) {
  const FamilyRegistry registry = all_families();
  const ScratchFolder scratch;
  const fs::path from = kGoldenFolder / "families/bitnet/online_untied";
  export_packed(*load_component(from, registry, DType::kFloat32).component, PackedForm::kFiveTrits,
                scratch / "m", std::nullopt);
  const auto runs = [&](const std::string& what) {
    return accepted("compact, " + what, [&] { load_and_run(scratch / "m", registry); });
  };
  ASSERT_TRUE(runs("as it is"));
  const std::string whole = read_file(scratch / "m" / "model.safetensors");
  const std::uint64_t seed = 37;
  const Rng rng(seed, RandomPurpose::kTest);
  std::size_t begin = 0;  // of the trial's tensor
  for (std::uint64_t trial = 0; trial < 24; ++trial) {
    begin = whole.find("PTERN3", begin + 1);
    if (begin == std::string::npos) begin = whole.find("PTERN3");
    const std::size_t at = begin + rng.below(2 * trial, trial % 2 == 0 ? 64 : 576);
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << rng.below(2 * trial + 1, 8)));
    put_file(scratch / "m" / "model.safetensors", bytes);
    EXPECT_FALSE(runs("")) << "byte " << at - begin << " of a tensor, seed " << seed;
  }
}

class DamagedGguf : public testing::TestWithParam<const char*> {};

// The parser has its own trials (checkpoint/gguf_test.cpp); here the values mean something.
TEST_P(DamagedGguf, EveryNumberOfTheMetadataWrongInTurn) {
  const std::string whole = read_file(kGoldenFolder / "gguf" / (GetParam() + std::string(".gguf")));
  const FamilyRegistry registry = all_families();
  const GgufFile file = GgufFile::parse(testing_support::bytes_of(whole), "whole");
  int refused = 0, tried = 0;
  for (const auto& item : file.metadata()) {
    const std::string key = GgufBuilder::text(item.first);
    const std::size_t value = whole.find(key) + key.size() + 4;
    const bool number = item.second.type() == GgufValueType::kUInt32 ||
                        item.second.type() == GgufValueType::kInt32 ||
                        item.second.type() == GgufValueType::kFloat32;
    if (!number) continue;
    for (const std::uint32_t wrong : {0u, 1u << 21, 0x7fc00000u, ~0u}) {
      std::string bytes = whole;
      std::memcpy(bytes.data() + value, &wrong, sizeof wrong);
      const ScratchFolder scratch;
      put_file(scratch / "m.gguf", bytes);
      ++tried;
      refused += !accepted(fmt::format("{} = {:#x}", item.first, wrong), [&] {
        import_gguf(scratch / "m.gguf", scratch / "m");
        load_and_run(scratch / "m", registry);
      });
    }
  }
  EXPECT_GT(tried, 25);
  EXPECT_GT(refused, tried / 4);
}

INSTANTIATE_TEST_SUITE_P(Architectures, DamagedGguf,
                         testing::Values("llama", "gpt2", "gptneox", "mamba2"));

}  // namespace
}  // namespace peryton
