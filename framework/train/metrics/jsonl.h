// metrics.jsonl: one JSON object per step and line, each step exactly once.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "framework/train/metrics/metrics.h"

namespace peryton {

// The line of one step, without its newline. Doubles are written so that they read back bit for
// bit; what is not finite becomes null.
std::string metrics_line(const StepMetrics& metrics);

// Drops the lines of later steps and a half-written last line; the file is replaced in one go. A
// file that does not exist is fine. Throws Error(kSystem) when it cannot be rewritten.
void cut_back_metrics(const std::string& path, int64_t last_step);

// Appends each line with a single write, so a killed process leaves at most one torn line at the
// end.
class JsonlWriter : public MetricsWriter {
 public:
  JsonlWriter(const std::string& path, int64_t resumed_step);
  ~JsonlWriter() override;
  JsonlWriter(const JsonlWriter&) = delete;
  JsonlWriter& operator=(const JsonlWriter&) = delete;

  void write(const StepMetrics& metrics) override;
  void flush() override;

 private:
  std::string path_;
  int file_;
};

}  // namespace peryton
