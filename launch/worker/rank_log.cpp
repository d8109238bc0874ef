// SPDX-License-Identifier: Apache-2.0
#include "launch/worker/rank_log.h"

#include <fcntl.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include "framework/checkpoint/files.h"
#include "framework/core/error.h"

namespace peryton {
namespace {

void send_output_to(const std::filesystem::path& file) {
  const int descriptor = open(file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0) fail_system("cannot write the log", file.string(), true);
  dup2(descriptor, STDOUT_FILENO);
  dup2(descriptor, STDERR_FILENO);
  close(descriptor);
}

}  // namespace

void open_rank_log(const std::filesystem::path& stage_folder, int rank) {
  make_folder(stage_folder / "log");
  const std::filesystem::path file = stage_folder / "log" / fmt::format("rank-{}.txt", rank);
  std::vector<spdlog::sink_ptr> sinks;
  try {
    sinks.push_back(std::make_shared<spdlog::sinks::basic_file_sink_st>(file.string()));
  } catch (const spdlog::spdlog_ex& error) {
    fail_system(std::string("cannot write the log: ") + error.what(), file.string());
  }
  if (rank == 0) {
    sinks.push_back(std::make_shared<spdlog::sinks::stderr_sink_mt>());
    sinks.back()->set_level(spdlog::level::warn);
  } else {
    send_output_to(file);
  }
  auto logger = std::make_shared<spdlog::logger>("peryton", sinks.begin(), sinks.end());
  logger->set_pattern("%Y-%m-%d %H:%M:%S.%e %l %v");
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(logger);
}

}  // namespace peryton
