// Runs every command of the README, in its order and in a folder of its own. The pipeline of
// configs/tiny.yaml stands in for the quickstart's.
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "framework/config/run_config.h"

namespace peryton {
namespace {

namespace fs = std::filesystem;

const fs::path kRoot = PERYTON_SOURCE_DIR;

// The lines of the README's fenced blocks of one language, in order.
std::vector<std::string> readme_block_lines(const std::string& language) {
  std::ifstream readme(kRoot / "README.md");
  std::vector<std::string> lines;
  bool inside = false;
  for (std::string line; std::getline(readme, line);) {
    if (line.starts_with("```")) {
      inside = !inside && line == "```" + language;
    } else if (inside) {
      lines.push_back(line);
    }
  }
  return lines;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

int exit_code_of(const std::string& command) {
  const int status = std::system(command.c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

class Readme : public testing::Test {
 protected:
  Readme() : folder_(fs::temp_directory_path() / ("peryton-readme-" + std::to_string(::getpid()))) {
    fs::create_directories(folder_);
    fs::create_directory_symlink(kRoot / "configs", folder_ / "configs");
  }
  ~Readme() override { fs::remove_all(folder_); }

  std::string here(const std::string& command) const {
    return "cd '" + folder_.string() + "' && " + command +
           " > output.txt 2>&1 || { e=$?; tail -20 output.txt; exit $e; }";
  }

  fs::path folder_;
};

TEST_F(Readme, ItsOwnConfigurationIsValidAndShort) {
  std::string text;
  const auto lines = readme_block_lines("yaml");
  for (const std::string& line : lines) text += line + "\n";
  EXPECT_LE(lines.size(), 20u);
  const RunConfig config = parse_run_config(text, "README.md");
  EXPECT_EQ(config.run.name, "mix");
  EXPECT_TRUE(config.has_hybrid());
}

TEST_F(Readme, BothScriptsExplainThemselves) {
  for (const char* script : {"launch/quickstart.sh", "tests/run.sh"}) {
    EXPECT_EQ(exit_code_of(here("'" + (kRoot / script).string() + "' --help")), 0) << script;
    EXPECT_EQ(exit_code_of(here("! '" + (kRoot / script).string() + "' --nonsense")), 0) << script;
  }
}

TEST_F(Readme, EveryCommandRuns) {
  const fs::path golden = fs::path(PERYTON_GOLDEN_DIR) / "hybrid/components";
  fs::copy(golden / "neox", folder_ / "pythia-160m", fs::copy_options::recursive);
  fs::copy(golden / "mamba", folder_ / "mamba2-130m", fs::copy_options::recursive);
  fs::copy_file(fs::path(PERYTON_GOLDEN_DIR) / "gguf/gptneox.gguf", folder_ / "model.gguf");
  const auto commands = readme_block_lines("sh");
  ASSERT_GE(commands.size(), 5u);
  for (std::string command : commands) {
    command = replaced(command.substr(0, command.find("  #")), "quickstart", "tiny");
    ASSERT_TRUE(command.starts_with("peryton ")) << command;
    command = "'" PERYTON_BINARY "'" + command.substr(7);
    EXPECT_EQ(exit_code_of(here(command)), 0) << command;
  }
}

}  // namespace
}  // namespace peryton
