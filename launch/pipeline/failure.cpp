// SPDX-License-Identifier: Apache-2.0
#include "launch/pipeline/failure.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "framework/checkpoint/files.h"

namespace peryton {
namespace {

namespace fs = std::filesystem;

bool is_failure_file(const fs::path& file) {
  return file.filename().string().rfind("failure-rank-", 0) == 0 && file.extension() == ".json";
}

std::vector<fs::path> failure_files(const fs::path& stage_folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(stage_folder / "log", error)) {
    if (is_failure_file(entry.path())) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string meaning_of(int code) {
  if (code == 127) return "the worker could not be started";
  if (code == 128 + 9) return "a worker was killed (SIGKILL): by somebody, or for lack of memory";
  if (code > 128 && code < 128 + 65)
    return fmt::format("a worker died of signal {} ({})", code - 128, strsignal(code - 128));
  return fmt::format("the worker ended with exit code {}", code);
}

}  // namespace

void record_failure(const fs::path& stage_folder, int rank, const std::string& message,
                    bool user_input) noexcept {
  try {
    const nlohmann::json json = {{"rank", rank}, {"message", message}, {"user_input", user_input}};
    atomic_write_file(stage_folder / "log" / fmt::format("failure-rank-{}.json", rank),
                      json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  } catch (const std::exception&) {  // the disk may be what failed; the exit code still tells
  }
}

void forget_failures(const fs::path& stage_folder) {
  for (const fs::path& file : failure_files(stage_folder)) fs::remove(file);
}

Failure explain_failure(const fs::path& stage_folder, int exit_code) {
  Failure found{meaning_of(exit_code), false, -1};
  for (const fs::path& file : failure_files(stage_folder)) {
    std::ifstream stream(file);
    const nlohmann::json json = nlohmann::json::parse(stream, nullptr, false);
    if (!json.is_object()) continue;
    const Failure failure{json.value("message", ""), json.value("user_input", false),
                          json.value("rank", 0)};
    if (found.rank < 0 || (failure.user_input && !found.user_input)) found = failure;
  }
  return found;
}

}  // namespace peryton
