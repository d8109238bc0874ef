// A frozen ternary component stays packed: blocks take a seventh of bfloat16 or less, and compute
// the same bits.
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "framework/core/memory.h"
#include "framework/families/import.h"
#include "tests/support/conformance.h"
#include "tests/support/finite_difference.h"

namespace peryton {
namespace {

constexpr std::int64_t kWidth = 512;

std::unique_ptr<Component> component_of(const std::string& family, std::int64_t layers) {
  const FamilyRegistry registry = all_families();
  const Family& of = registry.by_name(family);
  nlohmann::json settings = {{"width", kWidth}, {"layers", layers}, {"vocabulary", 64}};
  if (family == "bitnet") settings["heads"] = 4;
  auto component = of.create(of.config_from_settings(settings, "test"), "test", DType::kBFloat16);
  of.initialise(*component, 1);
  return component;
}

// Bytes that one block holds, in bfloat16 and packed.
struct BlockBytes {
  std::int64_t stored, packed;
};

BlockBytes block_bytes(const std::string& family) {
  BlockBytes bytes[2];
  for (const std::int64_t layers : {1, 2}) {
    BlockBytes& of = bytes[layers - 1];
    const std::int64_t before = memory_use().live_bytes;
    const auto component = component_of(family, layers);
    of.stored = memory_use().live_bytes - before;
    component->pack_frozen([](const Parameter&) { return false; });
    of.packed = memory_use().live_bytes - before;
  }
  return {bytes[1].stored - bytes[0].stored, bytes[1].packed - bytes[0].packed};
}

class PackedFamily : public testing::TestWithParam<std::string> {};

TEST_P(PackedFamily, BlocksTakeASeventhOrLess) {
  const BlockBytes bytes = block_bytes(GetParam());
  EXPECT_GT(bytes.stored, 2 * 2 * kWidth * kWidth);
  EXPECT_LE(7 * bytes.packed, bytes.stored) << bytes.packed << " of " << bytes.stored << " bytes";
}

TEST_P(PackedFamily, ComputesTheSameBits) {
  const auto component = component_of(GetParam(), 1);
  const TokenBatch batch{test::random_ids(2, 9, 64, 1), {}, 0};
  const Tensor hidden = test::random_normal(DType::kFloat32, {2, 9, kWidth}, 1);
  const auto run = [&] {
    Tape tape({});
    const Variable input = tape.input(hidden);
    const Variable output = component->run({tape, batch, nullptr}, 0, 1, input);
    tape.backward_from(output, hidden);
    return std::pair(output.value(), input.gradient());
  };
  const auto before = run();
  component->pack_frozen([](const Parameter&) { return false; });
  const auto after = run();
  EXPECT_TRUE(test::bitwise_equal(before.first, after.first));
  EXPECT_TRUE(test::bitwise_equal(before.second, after.second));
}

// A load holds the packed weights and one matrix that is not packed yet, never the whole model.
TEST_P(PackedFamily, LoadPacksWeightByWeight) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() /
      fmt::format("peryton-packed-load-{}-{}", GetParam(), ::getpid());
  const FamilyRegistry registry = all_families();
  std::int64_t stored = 0, largest = 0;
  Tensor want;
  const TokenBatch batch{test::random_ids(2, 9, 64, 1), {}, 0};
  {
    const auto component = component_of(GetParam(), 4);
    export_component(*component, folder, std::nullopt);
    for (const ParameterPtr& parameter : component->parameters()) {
      stored += parameter->value.bytes();
      largest = std::max(largest, parameter->value.bytes());
    }
    want = test::logits_of(*component, batch);
  }
  const std::int64_t before = memory_use().live_bytes;
  reset_peak_memory();
  const LoadedComponent loaded =
      load_component(folder, registry,
                     {.dtype = DType::kBFloat16, .keep = [](const Parameter&) { return false; }});
  const std::int64_t peak = memory_use().peak_bytes - before;
  const std::int64_t kept = memory_use().live_bytes - before;
  EXPECT_LE(6 * kept, stored) << "four blocks, a small table and norms";
  EXPECT_LE(peak, kept + largest + 4096) << kept << " kept, largest " << largest;
  EXPECT_TRUE(test::bitwise_equal(test::logits_of(*loaded.component, batch), want));
  EXPECT_EQ(load_component(folder, registry, DType::kBFloat16).content_hash, loaded.content_hash);
  std::filesystem::remove_all(folder);
}

INSTANTIATE_TEST_SUITE_P(Ternary, PackedFamily, testing::Values("mmfree", "bitnet"));

}  // namespace
}  // namespace peryton
