// Arrows point only down: which folder may include which.
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "tests/repo/source_files.h"

namespace peryton {
namespace {

using namespace testing_support;
using Layers = std::set<std::string>;

// What the files of a layer may include besides their own layer. The layers of framework/ go by
// their folder's name.
const std::map<std::string, Layers>& allowed_includes() {
  static const std::map<std::string, Layers> table = [] {
    const Layers engine = {"kernels", "core", "comm", "autograd", "ops", "nn"};
    const auto with = [](Layers base, const Layers& more) {
      base.insert(more.begin(), more.end());
      return base;
    };
    std::map<std::string, Layers> layers;
    layers["kernels"] = {};
    layers["core"] = {"kernels"};
    layers["comm"] = {"kernels", "core"};
    layers["autograd"] = {"kernels", "core", "comm"};
    layers["ops"] = {"kernels", "core", "comm", "autograd"};
    layers["nn"] = {"kernels", "core", "comm", "autograd", "ops"};
    layers["optim"] = {"kernels", "core", "comm", "autograd", "ops", "nn"};
    layers["parallel"] = with(engine, {"optim"});
    layers["data"] = {"kernels", "core"};
    layers["checkpoint"] = {"kernels", "core"};
    layers["config"] = {"kernels", "core", "data"};
    layers["families"] = with(engine, {"optim", "parallel", "checkpoint"});
    layers["hybrid"] = with(layers["families"], {"families", "config", "data"});
    layers["search"] = with(layers["hybrid"], {"hybrid"});
    layers["eval"] = with(layers["search"], {"search"});
    layers["train"] = with(layers["eval"], {"eval"});
    layers["launch"] = with(layers["train"], {"train"});
    return layers;
  }();
  return table;
}

// "kernels", "launch", or the folder below framework/; empty for anything else.
std::string layer_of(const fs::path& path) {
  auto part = path.begin();
  const std::string top = part->string();
  if (top == "kernels" || top == "launch") return top;
  return top == "framework" && ++part != path.end() ? part->string() : "";
}

std::vector<fs::path> project_includes(const fs::path& file) {
  std::vector<fs::path> includes;
  for (const std::string& line : lines_of(kRoot / file)) {
    // Highway's own headers are written with quotes by its convention.
    if (!line.starts_with("#include \"") || line.starts_with("#include \"hwy/")) continue;
    includes.emplace_back(line.substr(10, line.find('"', 10) - 10));
  }
  return includes;
}

TEST(Layers, IncludesPointOnlyDown) {
  for (const fs::path& file : code_files()) {
    const std::string from = layer_of(file);
    if (from.empty()) continue;
    const auto allowed = allowed_includes().find(from);
    ASSERT_NE(allowed, allowed_includes().end())
        << file << ": the layer '" << from << "' is not in the table of this test";
    for (const fs::path& include : project_includes(file)) {
      const std::string to = layer_of(include);
      EXPECT_TRUE(to == from || allowed->second.contains(to))
          << file << " (layer " << from << ") must not include " << include;
    }
  }
}

TEST(Layers, IncludesStartAtTheRootAndExist) {
  for (const fs::path& file : code_files()) {
    for (const fs::path& include : project_includes(file)) {
      EXPECT_TRUE(fs::exists(kRoot / include)) << file << " includes " << include;
    }
  }
}

// A family is one folder that knows no other family, and what joins families asks for none by name.
TEST(Layers, FamiliesAreIslands) {
  const fs::path families = "framework/families";
  for (const fs::path& file : code_files()) {
    for (const fs::path& include : project_includes(file)) {
      if (include.parent_path().parent_path() != families) continue;
      const bool own = file.parent_path() == include.parent_path();
      const bool test = file.begin()->string() == "tests";
      EXPECT_TRUE(own || test) << file << " includes " << include << " of a family";
    }
  }
}

TEST(Layers, TheMetricsOfTrainingKnowOnlyCore) {
  for (const fs::path& file : code_files()) {
    if (file.parent_path() != "framework/train/metrics") continue;
    for (const fs::path& include : project_includes(file)) {
      const bool own = include.parent_path() == file.parent_path();
      EXPECT_TRUE(own || layer_of(include) == "core") << file << " includes " << include;
    }
  }
}

}  // namespace
}  // namespace peryton
