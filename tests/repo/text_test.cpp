// What the files say: format, machine paths, links.
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cctype>
#include <cstdlib>
#include <regex>

#include "tests/repo/source_files.h"

namespace peryton {
namespace {

using namespace testing_support;

// The folder of `line` that belongs to a machine and not to the project, or nothing. The names are
// put together here so that this file does not find itself.
std::string machine_place(const std::string& line) {
  for (const std::string name : {"ho"
                                 "me",
                                 "wo"
                                 "rk",
                                 "ro"
                                 "ot",
                                 "Us"
                                 "ers"}) {
    const std::string folder = "/" + name + "/";
    for (size_t at = line.find(folder); at != std::string::npos; at = line.find(folder, at + 1)) {
      const char before = at == 0 ? ' ' : line[at - 1];
      if (std::isalnum(static_cast<unsigned char>(before)) || before == '_' || before == '.')
        continue;
      return folder;
    }
  }
  return "";
}

TEST(Text, NothingNamesTheMachineItWasWrittenOn) {
  for (const fs::path& file : repository_files(
           {".h", ".cpp", ".cu", ".cuh", ".cmake", ".sh", ".py", ".md", ".yaml", ".txt"})) {
    size_t number = 0;
    for (const std::string& line : lines_of(kRoot / file)) {
      ++number;
      EXPECT_EQ(machine_place(line), "") << file << ":" << number << ": " << line;
    }
  }
}

// [text](target) of Markdown, and `path/like.this` in backquotes that begins with one of our
// folders.
TEST(Text, LinksAndPathsInDocumentsResolve) {
  const std::regex kLink(R"(\]\(([^)#: ]*[./][^)#: ]*)(#[^)]*)?\))");
  const std::regex kPath(R"(`((framework|kernels|launch|configs|docs|tests)/[A-Za-z0-9_./-]*)`)");
  for (const fs::path& file : repository_files({".md"})) {
    const std::string text = read_text(kRoot / file);
    for (std::sregex_iterator it(text.begin(), text.end(), kLink), end; it != end; ++it) {
      const fs::path target = (kRoot / file).parent_path() / (*it)[1].str();
      EXPECT_TRUE(fs::exists(target)) << file << " links to " << (*it)[1];
    }
    for (std::sregex_iterator it(text.begin(), text.end(), kPath), end; it != end; ++it) {
      EXPECT_TRUE(fs::exists(kRoot / (*it)[1].str())) << file << " names " << (*it)[1];
    }
  }
}

TEST(Text, ScriptsCanBeRun) {
  for (const fs::path& file : repository_files({".sh"})) {
    const std::string text = read_text(kRoot / file);
    if (!text.starts_with("#!")) continue;  // sourced by others
    const auto mode = fs::status(kRoot / file).permissions();
    EXPECT_NE(mode & fs::perms::owner_exec, fs::perms::none) << file << " is not executable";
    EXPECT_EQ(std::system(("bash -n '" + (kRoot / file).string() + "'").c_str()), 0) << file;
  }
}

// In batches: clang-format ends with an error when a file would change.
TEST(Text, CodeIsFormatted) {
  const auto files = code_files();
  for (size_t begin = 0; begin < files.size(); begin += 50) {
    std::string command = "cd '" + kRoot.string() + "' && clang-format --dry-run --Werror";
    for (size_t i = begin; i < std::min(begin + 50, files.size()); ++i)
      command += " " + files[i].string();
    EXPECT_EQ(std::system(command.c_str()), 0) << "run clang-format -i on the files named above";
  }
}

}  // namespace
}  // namespace peryton
