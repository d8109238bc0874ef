// SPDX-License-Identifier: Apache-2.0
#include "framework/train/metrics/jsonl.h"

#include <fcntl.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "framework/core/error.h"

namespace peryton {

namespace {

using Json = nlohmann::ordered_json;

Json group_object(const GroupValues& values) {
  Json object = Json::object();
  for (const auto& [name, value] : values) object[name] = value;
  return object;
}

void write_all(int file, const std::string& text, const std::string& path) {
  size_t done = 0;
  while (done < text.size()) {
    const ssize_t count = ::write(file, text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail_system("cannot write the metrics", path, true);
    done += static_cast<size_t>(count);
  }
}

// The step of a whole line, or -1 for a line that is not one.
int64_t step_of(const std::string& line) {
  const auto object = nlohmann::json::parse(line, nullptr, false);
  if (!object.is_object() || !object.contains("step")) return -1;
  return object["step"].is_number_integer() ? object["step"].get<int64_t>() : -1;
}

}  // namespace

std::string metrics_line(const StepMetrics& metrics) {
  Json line = {{"step", metrics.step}, {"tokens", metrics.tokens}, {"loss", metrics.loss}};
  line["learning_rate"] = group_object(metrics.learning_rate);
  line["gradient_norm"] = group_object(metrics.gradient_norm);
  line["tokens_per_second"] = metrics.tokens_per_second;
  if (std::isfinite(metrics.model_flop_utilisation)) {
    line["model_flop_utilisation"] = metrics.model_flop_utilisation;
  }
  line["memory_bytes"] = metrics.memory_bytes;
  if (!metrics.alpha.empty()) line["alpha"] = metrics.alpha;
  for (const auto& [name, value] : metrics.extra) line[name] = value;
  return line.dump();
}

void cut_back_metrics(const std::string& path, int64_t last_step) {
  std::ifstream old(path, std::ios::binary);
  if (!old) return;
  const std::string temporary = path + ".cut";
  const int file = ::open(temporary.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
  if (file < 0) fail_system("cannot cut the metrics back", temporary, true);
  std::string line, kept;
  while (std::getline(old, line)) {
    if (old.eof()) break;  // no newline at its end: torn by a kill
    const int64_t step = step_of(line);
    if (step >= 0 && step <= last_step) kept += line + "\n";
  }
  write_all(file, kept, temporary);
  ::fsync(file);
  ::close(file);
  if (std::rename(temporary.c_str(), path.c_str()) != 0) {
    fail_system("cannot replace the metrics", path, true);
  }
}

JsonlWriter::JsonlWriter(const std::string& path, int64_t resumed_step) : path_(path) {
  cut_back_metrics(path, resumed_step);
  file_ = ::open(path.c_str(), O_CREAT | O_APPEND | O_WRONLY | O_CLOEXEC, 0644);
  if (file_ < 0) fail_system("cannot open the metrics", path, true);
}

JsonlWriter::~JsonlWriter() { ::close(file_); }

void JsonlWriter::write(const StepMetrics& metrics) {
  write_all(file_, metrics_line(metrics) + "\n", path_);
}

void JsonlWriter::flush() {
  if (::fsync(file_) != 0) fail_system("cannot flush the metrics", path_, true);
}

}  // namespace peryton
