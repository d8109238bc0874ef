// The files of the repository, for the tests of its rules.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace peryton::testing_support {

namespace fs = std::filesystem;

inline const fs::path kRoot = PERYTON_SOURCE_DIR;

inline std::string read_text(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::stringstream text;
  text << stream.rdbuf();
  return text.str();
}

inline std::vector<std::string> lines_of(const fs::path& file) {
  std::vector<std::string> lines;
  std::stringstream text(read_text(file));
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

// Whether git would ignore it: build folders, runs, caches.
inline bool is_build_output(const fs::path& relative) {
  const std::string top = relative.begin()->string();
  if (top.starts_with("build") || top == "runs" || top == ".git" || top == ".venv" ||
      top == "shared") {
    return true;
  }
  return std::any_of(relative.begin(), relative.end(),
                     [](const fs::path& part) { return part == "__pycache__"; });
}

// Paths from the root, sorted, of the files whose name ends in one of `endings` (all when empty).
inline std::vector<fs::path> repository_files(const std::vector<std::string>& endings = {}) {
  std::vector<fs::path> files;
  for (auto it = fs::recursive_directory_iterator(kRoot); it != fs::recursive_directory_iterator();
       ++it) {
    const fs::path relative = fs::relative(it->path(), kRoot);
    if (is_build_output(relative)) {
      if (it->is_directory()) it.disable_recursion_pending();
      continue;
    }
    const std::string name = relative.filename().string();
    const bool wanted =
        endings.empty() || std::any_of(endings.begin(), endings.end(),
                                       [&](const auto& e) { return name.ends_with(e); });
    if (it->is_regular_file() && wanted) files.push_back(relative);
  }
  std::sort(files.begin(), files.end());
  return files;
}

inline std::vector<fs::path> code_files() {
  return repository_files({".h", ".cpp", ".cu", ".cuh"});
}

}  // namespace peryton::testing_support
