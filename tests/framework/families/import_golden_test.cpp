// Every model folder of the goldens is imported, exported and imported again.
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "framework/checkpoint/model_folder.h"
#include "framework/checkpoint/safetensors.h"
#include "framework/families/import.h"
#include "tests/framework/checkpoint/support.h"

namespace peryton {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using namespace testing_support;  // NOLINT: scratch folders and errors as text

std::vector<fs::path> golden_models() {
  std::vector<fs::path> folders;
  for (const auto& entry :
       fs::recursive_directory_iterator(fs::path(PERYTON_GOLDEN_DIR) / "families")) {
    if (entry.path().filename() == "config.json") folders.push_back(entry.path().parent_path());
  }
  std::ranges::sort(folders);
  return folders;
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.dtype() == b.dtype() && a.shape() == b.shape() &&
         std::memcmp(a.raw(), b.raw(), static_cast<std::size_t>(a.bytes())) == 0;
}

TEST(ImportGoldens, RoundTrip) {
  const FamilyRegistry registry = all_families();
  const std::vector<fs::path> folders = golden_models();
  ASSERT_GE(folders.size(), 15u);
  for (const fs::path& folder : folders) {
    SCOPED_TRACE(folder);
    const ScratchFolder scratch;
    const LoadedComponent loaded = load_component(folder, registry, DType::kFloat32);
    EXPECT_EQ(loaded.family, folder.parent_path().filename());
    export_component(*loaded.component, scratch.path(), std::nullopt);
    const LoadedComponent again = load_component(scratch.path(), registry, DType::kFloat32);
    const auto &before = loaded.component->parameters(), &after = again.component->parameters();
    ASSERT_EQ(before.size(), after.size());
    for (std::size_t i = 0; i < before.size(); ++i) {
      EXPECT_EQ(before[i]->name, after[i]->name);
      EXPECT_TRUE(same_bits(before[i]->value, after[i]->value)) << before[i]->name;
    }
    EXPECT_EQ(loaded.component->config(), again.component->config());
  }
}

// The values are those of the file, through every layout: sums over all weights in double.
TEST(ImportGoldens, ValuesAreThoseOfTheFile) {
  const FamilyRegistry registry = all_families();
  for (const fs::path& folder : golden_models()) {
    SCOPED_TRACE(folder);
    const ModelFolder model = ModelFolder::open(folder);
    const LoadedComponent loaded = load_component(folder, registry, DType::kFloat32);
    const Family& family = registry.by_name(loaded.family);
    for (const ParameterPtr& parameter : loaded.component->parameters()) {
      const auto names = model.names();
      const auto found = std::ranges::find_if(names, [&](const std::string& name) {
        return family.canonical_name(name) == parameter->name;
      });
      ASSERT_NE(found, names.end()) << parameter->name;
      // Packed weights are bytes, in the file as in memory.
      const DType stored = parameter->value.dtype();
      EXPECT_TRUE(same_bits(model.load(*found, stored), parameter->value)) << *found;
    }
  }
}

// An export with bfloat16 weights loads back to the same bits.
TEST(ImportGoldens, BFloat16RoundTrip) {
  const FamilyRegistry registry = all_families();
  const ScratchFolder scratch;
  for (const char* name : {"gpt_neox/stored_bf16", "mamba2/stored_bf16"}) {
    const fs::path folder = fs::path(PERYTON_GOLDEN_DIR) / "families" / name;
    const LoadedComponent loaded = load_component(folder, registry, DType::kBFloat16);
    export_component(*loaded.component, scratch.path(), std::nullopt);
    const LoadedComponent again = load_component(scratch.path(), registry, DType::kBFloat16);
    for (std::size_t i = 0; i < loaded.component->parameters().size(); ++i) {
      EXPECT_TRUE(same_bits(loaded.component->parameters()[i]->value,
                            again.component->parameters()[i]->value));
    }
  }
}

// Weights of one family under the config of another, and one weight too few.
TEST(ImportGoldens, MismatchesAreTold) {
  const FamilyRegistry registry = all_families();
  const ScratchFolder scratch;
  const fs::path goldens = fs::path(PERYTON_GOLDEN_DIR) / "families";
  fs::copy_file(goldens / "gpt_neox/parallel_partial_rotary/config.json", scratch / "config.json");
  fs::copy_file(goldens / "mamba2/one_group_tied/model.safetensors", scratch / "model.safetensors");
  const std::string error =
      input_error_of([&] { load_component(scratch.path(), registry, DType::kFloat32); });
  EXPECT_THAT(error, HasSubstr("missing: 'gpt_neox.embed_in.weight'"));
  EXPECT_THAT(error, HasSubstr("unexpected: 'backbone.embeddings.weight'"));
}

}  // namespace
}  // namespace peryton
