// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstdio>
#include <set>

#include "tests/repo/source_files.h"

namespace peryton {
namespace {

using namespace testing_support;

// A new top-level entry belongs into one of these folders instead.
TEST(Layout, TopLevelIsWhatTheDesignSays) {
  const std::set<std::string> allowed = {
      "framework", "kernels",   "launch",  "configs",        "docs",
      "tests",     "README.md", "LICENSE", "CMakeLists.txt", "CMakePresets.json"};
  for (const auto& entry : fs::directory_iterator(kRoot)) {
    const std::string name = entry.path().filename().string();
    const bool built = entry.is_directory() && is_build_output(name);
    if (name[0] == '.' || built || name == "compile_commands.json") continue;
    EXPECT_TRUE(allowed.contains(name)) << "unexpected at the top level: " << name;
  }
}

TEST(Layout, NoFileIsLongerThan500Lines) {
  for (const fs::path& file :
       repository_files({".h", ".cpp", ".cu", ".cuh", ".cmake", ".sh", ".py", "CMakeLists.txt"})) {
    const size_t lines = lines_of(kRoot / file).size();
    EXPECT_LE(lines, 500u) << file << " is too long: split it";
    if (lines > 300) std::printf("look again: %s has %zu lines\n", file.c_str(), lines);
  }
}

TEST(Layout, EverySourceNamesItsLicense) {
  for (const fs::path& file : code_files()) {
    const std::string head = read_text(kRoot / file).substr(0, 1500);
    EXPECT_NE(head.find("SPDX-License-Identifier:"), std::string::npos)
        << file << " has no license line near its top";
  }
}

TEST(Layout, NamesAreSnakeCaseAndTestsSayWhatTheyAre) {
  for (const fs::path& file : code_files()) {
    std::string name = file.stem().string();
    if (name.ends_with("-inl"))
      name.resize(name.size() - 4);  // Highway's word for per-target headers
    const bool snake = std::all_of(name.begin(), name.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    });
    EXPECT_TRUE(snake) << file;
    if (file.begin()->string() != "tests" || file.extension() != ".cpp") continue;
    const bool defines_test = read_text(kRoot / file).find("\nTEST") != std::string::npos;
    EXPECT_TRUE(!defines_test || name.ends_with("_test")) << file << " would not be built";
  }
}

}  // namespace
}  // namespace peryton
