// SPDX-License-Identifier: Apache-2.0
#include "framework/train/metrics/tensorboard.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "framework/core/error.h"

namespace peryton {
namespace {

namespace fs = std::filesystem;

std::string file_content(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// The figures of tests/golden/metrics/make.py.
StepMetrics golden_metrics() {
  StepMetrics metrics;
  metrics.step = 300;
  metrics.loss = 2.5;
  metrics.extra = {{"validation_loss", 2.25}};
  metrics.learning_rate = {{"alpha", 0.01}};
  metrics.gradient_norm = {{"alpha", 1e-7}};
  metrics.tokens_per_second = 1234.5;
  metrics.model_flop_utilisation = 0.25;
  metrics.memory_bytes = 1'000'000'000;
  metrics.alpha = {{0.75, 0.25}};
  return metrics;
}

// The payloads of a file; checks both checksums of every record.
std::vector<std::string> payloads(const std::string& bytes) {
  std::vector<std::string> result;
  for (size_t at = 0; at < bytes.size();) {
    uint64_t length = 0;
    std::memcpy(&length, bytes.data() + at, 8);
    const std::string payload = bytes.substr(at + 12, length);
    EXPECT_EQ(tfrecord(payload), bytes.substr(at, length + 16));
    result.push_back(payload);
    at += length + 16;
  }
  return result;
}

TEST(TensorBoard, Crc32cKnownAnswers) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);    // RFC 3720, B.4
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62A8AB43u);  // RFC 3720, B.4
}

TEST(TensorBoard, RecordEqualsTheOneOfTheTensorboardPackage) {
  const std::string golden = file_content(PERYTON_GOLDEN_DIR "/metrics/scalar_event.tfrecord");
  ASSERT_FALSE(golden.empty());
  EXPECT_EQ(tfrecord(scalar_event(golden_metrics(), 1234.5)), golden);
}

TEST(TensorBoard, FileHoldsVersionThenSessionStartThenSteps) {
  const fs::path folder = fs::temp_directory_path() / fmt::format("peryton-events-{}", ::getpid());
  fs::create_directories(folder);
  {
    TensorBoardWriter writer(folder, 7);
    writer.write(golden_metrics());
    writer.flush();
  }
  const fs::path file = fs::directory_iterator(folder)->path();
  EXPECT_TRUE(file.filename().string().starts_with("events.out.tfevents."));
  const auto events = payloads(file_content(file));
  fs::remove_all(folder);
  ASSERT_EQ(events.size(), 3u);
  EXPECT_NE(events[0].find("brain.Event:2"), std::string::npos);
  // step (field 2) = 8, session_log (field 7) with status (field 1) = START (1)
  EXPECT_TRUE(events[1].ends_with(std::string("\x10\x08\x3a\x02\x08\x01", 6)));
  EXPECT_NE(events[2].find("alpha/segment_0/component_1"), std::string::npos);
}

}  // namespace
}  // namespace peryton
